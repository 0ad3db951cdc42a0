"""The fused forms against the readable ones, in value and gradient."""

from math import inf, log, nan

import pytest
import torch
from torch import Tensor

from nfvae.flows import (
    Flow,
    HouseholderSylvester,
    OrthogonalSylvester,
    Planar,
    Radial,
    TriangularSylvester,
)

FORMS = {
    "planar": lambda fused: Planar(4, 6, fused=fused),
    "planar of the paper": lambda fused: Planar(4, 6, constraint="paper", fused=fused),
    "radial": lambda fused: Radial(4, 6, fused=fused),
    "orthogonal": lambda fused: OrthogonalSylvester(4, 3, num_vectors=2, fused=fused),
    "householder": lambda fused: HouseholderSylvester(4, 3, num_reflections=2, fused=fused),
    "orthogonal, one vector": lambda fused: OrthogonalSylvester(4, 1, num_vectors=1, fused=fused),
    "orthogonal, square": lambda fused: OrthogonalSylvester(4, 3, num_vectors=4, fused=fused),
    "triangular": lambda fused: TriangularSylvester(4, 3, fused=fused),
}
SCALES = [0.0, 1e-20, 1e-8, 0.3, 1.0, 5.0, 30.0, 100.0]

every_form = pytest.mark.parametrize("form", FORMS)


def run(flow: Flow, z: Tensor, params: Tensor, weights: Tensor) -> list[Tensor]:
    """z_K, log_det, the log-dets of the transforms, and the gradients of a loss."""
    z, params = z.clone().requires_grad_(), params.clone().requires_grad_()
    y, log_det = flow(z, params)
    loss = (weights * y).sum() + (weights[..., 0] * log_det).sum()
    by_transform = flow.transform_log_dets(z, params)
    return [y, log_det, by_transform, *torch.autograd.grad(loss, (z, params))]


def assert_equal_forms(form: str, z: Tensor, params: Tensor, tolerance: float) -> None:
    weights = torch.randn_like(z)
    fused, readable = (run(FORMS[form](fused), z, params, weights) for fused in (True, False))
    for value, expected in zip(fused, readable, strict=True):
        assert value.isfinite().all()
        size = expected.detach().abs().max().item() if expected.numel() else 1.0
        torch.testing.assert_close(value, expected, rtol=0, atol=tolerance * max(1.0, size))


@every_form
@pytest.mark.parametrize("scale", SCALES)
def test_in_float64(form, scale):
    flow = FORMS[form](True)
    params = scale * torch.randn(7, flow.param_size, dtype=torch.float64)
    assert_equal_forms(form, torch.randn(3, 7, 4, dtype=torch.float64), params, 1e-11)


@every_form
@pytest.mark.parametrize("scale", [None, 0.0, 1e-20, 1e-8, 0.3, 1.0])
def test_in_float32(form, scale):
    flow = FORMS[form](True)
    start = flow.initial_params().expand(7, -1)
    params = start if scale is None else scale * torch.randn(7, flow.param_size)
    assert_equal_forms(form, torch.randn(3, 7, 4), params, 1e-5)


@every_form
@pytest.mark.parametrize("sample", [(), (1,), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("batch", [None, (), (6,), (2, 3), (0,)])
def test_for_all_axes(form, sample, batch):
    """None: one parameter set for a batch of points."""
    flow = FORMS[form](True)
    params = torch.randn(*(batch or ()), flow.param_size, dtype=torch.float64)
    points = (6,) if batch is None else batch
    assert_equal_forms(form, torch.randn(*sample, *points, 4, dtype=torch.float64), params, 1e-11)


@pytest.mark.parametrize("value", [inf, -inf, nan])
@pytest.mark.parametrize("form", ["orthogonal", "householder", "triangular"])
def test_sylvester_parameters_that_are_not_finite(form, value):
    """Each in turn: the fused form gives what the readable one gives, finite or not."""
    readable = FORMS[form](False)
    size = readable.param_size
    z, params = torch.randn(size, 4).double(), torch.randn(size, size).double()
    params.fill_diagonal_(value)
    torch.testing.assert_close(FORMS[form](True)(z, params), readable(z, params), equal_nan=True)


@pytest.mark.parametrize("constraint", ["identity", "paper"])
@pytest.mark.parametrize(
    "row",
    [
        [100.0, 0.0, -10.0, 0.0, 0.0],  # s at its lowest
        [9e-8, 0.0, -1e8, 0.0, 0.0],  # w too short to act along, and 1 + wᵀu < 0
        [0.0, 0.0, 3.0, 1.0, 0.5],  # no w
        [3.0, 1.0, 0.0, 0.0, 0.5],  # no u
        [1.0, 0.0, -72.0, 0.0, 0.1],
        [1.0, 0.0, -90.0, 0.0, 0.1],
        [1.0, 0.0, 90.0, 0.0, 0.1],
    ],
)
def test_degenerate_planar_parameters_in_float32(constraint, row):
    params, z, weights = torch.tensor(row), torch.tensor([0.0, 0.3]), torch.ones(2)
    forms = (Planar(2, 1, constraint=constraint, fused=fused) for fused in (True, False))
    fused, readable = (run(flow, z, params, weights) for flow in forms)
    for value, expected in zip(fused, readable, strict=True):
        assert value.isfinite().all()
        # û = u + kappa·w can cancel: w = (100, 0) magnifies its rounding.
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-4)


LARGE = [8.0, 1e6]  # incoming gradients of log_det


def gradients(flow: Flow, z: Tensor, params: Tensor, large: float) -> tuple[Tensor, ...]:
    z, params = z.clone().requires_grad_(), params.clone().requires_grad_()
    y, log_det = flow(z, params)
    assert y.isfinite().all()
    assert log_det.isfinite().all()
    return torch.autograd.grad(y.sum() + large * log_det, (z, params))


@pytest.mark.parametrize("large", LARGE)
@pytest.mark.parametrize("fused", [True, False])
def test_planar_gradients_are_finite_where_s_is_at_its_lowest(fused, large):
    params = torch.tensor([100.0, 0.0, -10.0, 0.0, 0.0])
    for gradient in gradients(Planar(2, 1, fused=fused), torch.zeros(2), params, large):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("large", LARGE)
@pytest.mark.parametrize("fused", [True, False])
def test_radial_gradients_are_finite_very_near_the_centre(fused, large):
    for raw in ([0.0, -100.0], [5.0, -100.0], [-100.0, 5.0], [-100.0, -100.0], [50.0, -50.0]):
        for distance in (0.0, 1e-40, 1e-30, 1e-22, 1e-18, 1e-15, 1e-10):
            z, params = torch.tensor([distance, 0.0]), torch.tensor([0.0, 0.0, *raw])
            for gradient in gradients(Radial(2, 1, fused=fused), z, params, large):
                assert gradient.isfinite().all()


@pytest.mark.parametrize("large", LARGE)
@pytest.mark.parametrize("fused", [True, False])
def test_sylvester_gradients_are_finite_where_s_is_small(fused, large):
    for size in (1e2, 1e4, 1e8, 1e12):
        params = torch.tensor([size, 0, 0, size, -size, -size, 0, 0])
        flow = TriangularSylvester(2, 1, fused=fused)
        _, log_det = flow(torch.zeros(2), params)
        torch.testing.assert_close(log_det, torch.tensor(-4 * log(size)), rtol=1e-5, atol=0)
        for gradient in gradients(flow, torch.zeros(2), params, large):
            assert gradient.isfinite().all()
