"""Sylvester flows against the paper's formula with every matrix written out."""

import pytest
import torch
from torch import Tensor

from nfvae.flows import FLOWS
from nfvae.flows.constraints import constrain_sylvester
from nfvae.flows.planar import Planar
from nfvae.flows.reflections import compact_wy
from nfvae.flows.sylvester import Sylvester

FAMILIES = [
    ("sylvester_orthogonal", {"num_vectors": 1}),
    ("sylvester_orthogonal", {"num_vectors": 3}),
    ("sylvester_orthogonal", {"num_vectors": 5}),
    ("sylvester_householder", {"num_reflections": 1}),
    ("sylvester_householder", {"num_reflections": 4}),
    ("sylvester_triangular", {}),
]
SCALES = [None, 0.01, 1.0, 5.0, 10.0]  # None: where training starts

every_family = pytest.mark.parametrize(("name", "options"), FAMILIES)
every_scale = pytest.mark.parametrize("scale", SCALES)


def make(name: str, options: dict, num_transforms: int = 3, dim: int = 5) -> Sylvester:
    return FLOWS[name](dim, num_transforms, **options)


def draw_params(flow: Sylvester, scale: float | None, batch: int, dtype=torch.float64) -> Tensor:
    if scale is None:
        return flow.initial_params().to(dtype).expand(batch, -1)
    return scale * torch.randn(batch, flow.param_size, dtype=dtype)


def matrices(flow: Sylvester, params: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Q [B, D, M], R, R̃ [B, M, M] and b [B, M] of step k."""
    triangles, r, _, b, *basis = flow.unpack(params)[k]
    eye = torch.eye(flow.dim, dtype=params.dtype).expand(params.shape[0], -1, -1)
    q = flow.project(k, eye, *basis)  # row i: Qᵀe_i
    r_matrix = triangles.triu(1) + torch.diag_embed(r.squeeze(1))
    return q, r_matrix, triangles.tril().mT, b.squeeze(1)


@every_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [None, 0.0, 1.0, 100.0])
def test_q_has_orthonormal_columns(name, options, scale, dtype):
    flow = make(name, options)
    params = draw_params(flow, scale, 4, dtype)
    eye = torch.eye(flow.num_vectors, dtype=dtype).expand(4, -1, -1)
    for k in range(flow.num_transforms):
        q, *_ = matrices(flow, params, k)
        tolerance = 30 * torch.finfo(dtype).eps
        torch.testing.assert_close(q.mT @ q, eye, rtol=0, atol=tolerance)


@every_family
@every_scale
def test_a_transform_is_the_papers_formula(name, options, scale):
    flow = make(name, options)
    params = draw_params(flow, scale, 4)
    z = torch.randn(4, 5, dtype=torch.float64)
    expected, log_dets = z.unsqueeze(-1), []
    for k in range(flow.num_transforms):
        q, r, r_tilde, b = matrices(flow, params, k)
        a = r_tilde @ q.mT @ expected + b.unsqueeze(-1)
        expected = expected + q @ r @ a.tanh()
        rr = r.diagonal(dim1=1, dim2=2) * r_tilde.diagonal(dim1=1, dim2=2)
        factors = 1 + a.squeeze(-1).cosh() ** -2 * rr
        log_dets.append(factors.log().sum(-1))
    y, log_det = flow(z, params)
    torch.testing.assert_close(y, expected.squeeze(-1), rtol=1e-9, atol=1e-9)
    by_step = torch.stack(log_dets)
    torch.testing.assert_close(log_det, by_step.sum(0), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow.transform_log_dets(z, params), by_step, rtol=1e-9, atol=1e-9)


@every_family
@every_scale
def test_log_det_of_one_transform_is_that_of_the_jacobian(name, options, scale):
    flow = make(name, options, num_transforms=2)
    params = draw_params(flow, scale, 8)
    z = torch.randn(8, 5, dtype=torch.float64)
    for k, step_params in enumerate(flow.unpack(params)):
        points = z.unsqueeze(1)  # [B, S=1, D]

        def image(points, k=k, step_params=step_params):
            return flow.step(k, points, *step_params)[0]

        jacobian = torch.autograd.functional.jacobian(lambda p: image(p).sum((0, 1)), points)
        sign, expected = torch.linalg.slogdet(jacobian.squeeze(2).transpose(0, 1))
        log_det = flow.step(k, points, *step_params)[1].squeeze(1)
        assert (sign > 0).all()
        assert ((log_det - expected).abs() <= 1e-10 * (1 + expected.abs())).all()


@every_family
@every_scale
def test_inverse_undoes_forward(name, options, scale):
    flow = make(name, options)
    params = draw_params(flow, scale, 8)
    z = torch.randn(6, 8, 5, dtype=torch.float64)
    y, log_det = flow(z, params)
    back, inverse_log_det = flow.inverse(y, params)
    image, _ = flow(back, params)
    # The image is met to rounding at every scale; the point itself where f⁻¹ is well conditioned.
    torch.testing.assert_close(image, y, rtol=1e-10, atol=1e-10)
    if scale is None or scale <= 1:
        torch.testing.assert_close(back, z, rtol=0, atol=1e-11)
        torch.testing.assert_close(inverse_log_det, -log_det, rtol=0, atol=1e-11)


def test_one_vector_is_the_planar_flow():
    dim = 4
    flow = make("sylvester_orthogonal", {"num_vectors": 1}, num_transforms=1, dim=dim)
    params = 2 * torch.randn(flow.param_size, dtype=torch.float64)
    q, r, r_tilde, b = (part.squeeze(0) for part in matrices(flow, params.unsqueeze(0), 0))
    w, u_hat = (q * r_tilde).squeeze(1), (q * r).squeeze(1)
    # Planar's own constraint undone: wᵀu = log(expm1(s)) − log(e − 1) gives 1 + wᵀû = s.
    s = 1 + w @ u_hat
    wu = s.expm1().log() - torch.tensor(1.0, dtype=torch.float64).expm1().log()
    u = u_hat - (s - 1 - wu) * w / (w @ w)
    z = torch.randn(10, dim, dtype=torch.float64)
    torch.testing.assert_close(flow(z, params), Planar(dim, 1)(z, torch.cat([w, u, b])))


def test_diagonals_are_a_bijection_onto_the_invertible_ones():
    r_tilde = torch.tensor([-3.0, -1.0, 0.0, 1e-8, 0.5, 40.0], dtype=torch.float64)
    s_wanted = torch.logspace(-9, 9, 19, dtype=torch.float64).unsqueeze(-1)
    r_wanted = torch.where(r_tilde == 0, s_wanted, (s_wanted - 1) / r_tilde)
    s_wanted = torch.where(r_tilde == 0, 1.0, s_wanted)
    theta = s_wanted.log()
    u = r_wanted / theta.sigmoid()
    r, s = constrain_sylvester(u, r_tilde)
    torch.testing.assert_close(r, r_wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(s, s_wanted, rtol=1e-12, atol=0)


def test_diagonals_stay_invertible_in_float32():
    u = torch.tensor([-1e6, -100.0, -1.0, 0.0, 1.0, 100.0, 1e6])
    u, r_tilde = (x.flatten() for x in torch.meshgrid(u, u, indexing="ij"))
    r, s = constrain_sylvester(u, r_tilde)
    _, exact = constrain_sylvester(u.double(), r_tilde.double())
    assert r.isfinite().all()
    assert (s > 0).all()
    torch.testing.assert_close(s.double(), exact, rtol=1e-5, atol=0)


def test_an_orthogonal_start_is_uniform_on_the_frames():
    flow = make("sylvester_orthogonal", {"num_vectors": 3}, num_transforms=4000, dim=4)
    flow_params = flow.initial_params()
    raw = flow_params[: 4000 * flow.basis_size].reshape(1, 4000, flow.basis_size)
    (q,) = flow.bases(raw)
    second_moment = (q @ q.mT).mean(1).squeeze(0)  # of a uniform frame: (M/D) I
    torch.testing.assert_close(second_moment, 0.75 * torch.eye(4), rtol=0, atol=0.05)


@every_family
@pytest.mark.parametrize("num_transforms", [1, 16, 80])
def test_starts_as_the_identity_with_every_transform_different(name, options, num_transforms):
    flow = make(name, options, num_transforms)
    params = flow.initial_params()
    z = torch.randn(10, 5)
    y, log_det = flow(z, params)
    assert y.equal(z)
    assert log_det.abs().max() <= 1e-5
    rows = torch.stack([triangles[0] for triangles, *_ in flow.unpack(params.unsqueeze(0))])
    assert rows.flatten(1).unique(dim=0).shape[0] == num_transforms


@every_family
@pytest.mark.parametrize("scale", [0.0, 50.0, 100.0])
def test_finite_in_float32_at_extremes(name, options, scale):
    flow = make(name, options, num_transforms=16)
    params = draw_params(flow, scale, 50, torch.float32).requires_grad_()
    z = (30 * torch.randn(50, 5)).requires_grad_()
    y, log_det = flow(z, params)
    assert y.isfinite().all()
    assert log_det.isfinite().all()
    for gradient in torch.autograd.grad(y.sum() + log_det.sum(), (z, params)):
        assert gradient.isfinite().all()


@every_family
@pytest.mark.parametrize("method", ["forward", "inverse"])
def test_gradients(name, options, method):
    flow = make(name, options, num_transforms=2)
    params = draw_params(flow, 1.0, 2).requires_grad_()
    z = torch.randn(2, 2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(getattr(flow, method), (z, params), fast_mode=True)


def test_a_second_derivative_is_refused():
    flow = make("sylvester_triangular", {})
    params = draw_params(flow, 1.0, 2).requires_grad_()
    y, _ = flow(torch.randn(2, 5, dtype=torch.float64), params)
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(y.sum(), params, create_graph=True)


def test_more_vectors_than_dimensions_are_refused():
    with pytest.raises(ValueError, match="num_vectors must be at most the dimension 5, got 6"):
        make("sylvester_orthogonal", {"num_vectors": 6})
    with pytest.raises(ValueError, match="num_reflections must be at most the dimension 5, got 6"):
        make("sylvester_householder", {"num_reflections": 6})


def test_defaults_fit_every_dimension():
    assert make("sylvester_orthogonal", {}, dim=2).num_vectors == 2
    assert make("sylvester_orthogonal", {}, dim=40).num_vectors == 16
    assert make("sylvester_householder", {}, dim=2).num_reflections == 2


def test_reflections_multiply_in_order():
    v = torch.randn(2, 4, 3, dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    expected = eye.expand(2, 3, 3)
    for i in range(4):
        v_i = v[:, i].unsqueeze(-1)
        expected = expected @ (eye - 2 * v_i @ v_i.mT / (v_i.mT @ v_i))
    rows, w = compact_wy(v)
    torch.testing.assert_close(eye - rows.mT @ w, expected)
