"""Planar flows against the paper's formulas, one by one and in exact arithmetic."""

import mpmath
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.flows.planar import Planar

# wᵀû = −1 + softplus(wᵀu + shift): appendix A.1 to the letter, or 0 at wᵀu = 0.
SHIFT = {"paper": 0.0, "identity": 0.541324854612918}

every_constraint = pytest.mark.parametrize("constraint", ["paper", "identity"])


def split(flow: Planar, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """w, u [*batch, K, D] and b [*batch, K], from the documented packing."""
    K, D = flow.num_transforms, flow.dim
    w, u, b = params.split([K * D, K * D, K], dim=-1)
    return w.unflatten(-1, (K, D)), u.unflatten(-1, (K, D)), b


def textbook_steps(flow: Planar, shift: float, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    """Rezende & Mohamed's eq. 10-12 and appendix A.1, one step after the other: log-dets [K, …]."""
    log_dets = []
    w_all, u_all, b_all = split(flow, params)
    for k in range(flow.num_transforms):
        w, u, b = w_all[..., k, :], u_all[..., k, :], b_all[..., k, None]
        wu = (w * u).sum(-1, keepdim=True)
        u_hat = u + (softplus(wu + shift) - 1 - wu) * w / w.square().sum(-1, keepdim=True)
        h = ((w * z).sum(-1, keepdim=True) + b).tanh()
        psi = (1 - h.square()) * w
        log_dets.append((1 + (u_hat * psi).sum(-1)).abs().log())
        z = z + u_hat * h
    return z, torch.stack(log_dets)


def textbook(flow: Planar, shift: float, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    z_K, log_dets = textbook_steps(flow, shift, z, params)
    return z_K, log_dets.sum(0)


@every_constraint
@pytest.mark.parametrize("scale", [0.1, 1.0, 2.0])
@pytest.mark.parametrize("num_transforms", [1, 2, 16])
def test_the_stack_is_the_textbook_loop(constraint, num_transforms, scale):
    flow = Planar(6, num_transforms, constraint=constraint)
    params = scale * torch.randn(4, flow.param_size, dtype=torch.float64)
    z = torch.randn(3, 4, 6, dtype=torch.float64)
    for stack, loop in zip(
        flow(z, params), textbook(flow, SHIFT[constraint], z, params), strict=True
    ):
        torch.testing.assert_close(stack, loop, rtol=1e-9, atol=1e-9)
    by_step = textbook_steps(flow, SHIFT[constraint], z, params)[1]
    torch.testing.assert_close(flow.transform_log_dets(z, params), by_step, rtol=1e-9, atol=1e-9)


@every_constraint
@pytest.mark.parametrize("samples", [1, 7])
def test_the_stacks_gradients_are_the_textbook_loops(constraint, samples):
    flow = Planar(6, 16, constraint=constraint)
    params = torch.randn(4, flow.param_size, dtype=torch.float64, requires_grad=True)
    z = torch.randn(samples, 4, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(samples, 4, 6, dtype=torch.float64)
    gradients = []
    for run in (flow, lambda z, params: textbook(flow, SHIFT[constraint], z, params)):
        y, log_det = run(z, params)
        loss = (weights * y).sum() + (weights[..., 0] * log_det).sum()
        gradients.append(torch.autograd.grad(loss, (z, params)))
    for stack, loop in zip(*gradients, strict=True):
        torch.testing.assert_close(stack, loop, rtol=1e-8, atol=1e-8)


def test_float32_loses_no_more_than_the_loop():
    flow = Planar(40, 80, constraint="identity")
    params = (0.3 * torch.randn(50, flow.param_size, dtype=torch.float64)).float()
    z = torch.randn(50, 40)
    exact = textbook(flow, SHIFT["identity"], z.double(), params.double())
    errors = [
        [(value - true).square().mean().sqrt() for value, true in zip(run, exact, strict=True)]
        for run in (flow(z, params), textbook(flow, SHIFT["identity"], z, params))
    ]
    for stack, loop in zip(*errors, strict=True):
        assert stack <= 2 * loop


@every_constraint
@pytest.mark.parametrize("wu", [-50.0, -15.0, -1.0, 0.0, 3.0, 50.0])
def test_determinant_against_exact_arithmetic_in_float32(constraint, wu):
    # At wᵀu = −15 the textbook form 1 + sech²·wᵀû is 0 in float32, and its logarithm −inf.
    flow = Planar(2, 1, constraint=constraint)
    params = torch.tensor([2.0, 0.0, wu / 2, 1.0, 0.25])  # w = (2, 0), u = (wu/2, 1), b
    for x in (-0.125, 0.0, 1.5):  # wᵀz + b is 0 in the first
        with mpmath.workdps(60):
            sech2 = mpmath.sech(2 * mpmath.mpf(x) + 0.25) ** 2
            s = mpmath.log1p(mpmath.exp(wu + mpmath.mpf(SHIFT[constraint])))
            expected = float(mpmath.log(1 + (s - 1) * sech2))
        _, log_det = flow(torch.tensor([x, 0.7]), params)
        assert abs(log_det - expected) <= 1e-4


@every_constraint
def test_strongly_contracting_transforms_have_finite_gradients(constraint):
    flow = Planar(2, 2, constraint=constraint)
    params = torch.tensor([2.0, 0, 0, 2, -25, 1, 1, -25, 0, 0], requires_grad=True)
    z = torch.zeros(2, requires_grad=True)
    y, log_det = flow(z, params)
    for gradient in torch.autograd.grad(y.sum() + log_det, (z, params)):
        assert gradient.isfinite().all()


@every_constraint
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_w_a_transform_is_a_translation(constraint, dtype):
    # f(z) = z + u·tanh(b): the constraint has no direction to act along.
    flow = Planar(3, 2, constraint=constraint)
    params = torch.randn(4, flow.param_size, dtype=dtype)
    params[:, :6] = 0
    params.requires_grad_()
    z = torch.randn(5, 4, 3, dtype=dtype, requires_grad=True)
    y, log_det = flow(z, params)
    _, u, b = split(flow, params)
    torch.testing.assert_close(y, z + (u * b.tanh().unsqueeze(-1)).sum(-2))
    zero = torch.zeros(5, 4, dtype=dtype)
    torch.testing.assert_close(log_det, zero, rtol=0, atol=4 * torch.finfo(dtype).eps)
    for gradient in torch.autograd.grad(y.sum() + log_det.sum(), (z, params)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("norm", [1e-2, 1e-4, 1e-6, 2e-7])
def test_a_short_w_costs_no_precision_in_float32(norm):
    # û = u + (s − 1 − wᵀu)·w/‖w‖²: rounding s to 6e-8 would be an error of 6e-8/‖w‖ in û.
    flow = Planar(4, 1)
    w, u = norm * torch.tensor([0.5, -0.5, 0.5, 0.5]), torch.tensor([0.3, 1.0, -0.7, 0.2])
    params = torch.cat([w, u, torch.tensor([0.5])]).requires_grad_()
    exact_params = params.detach().double().requires_grad_()
    z = torch.randn(4)
    y, log_det = flow(z, params)
    exact_y, exact_log_det = flow(z.double(), exact_params)
    torch.testing.assert_close(y.double(), exact_y, atol=1e-6, rtol=0)
    torch.testing.assert_close(log_det.double(), exact_log_det, atol=1e-6, rtol=0)
    (grad,) = torch.autograd.grad(y.sum() + log_det, params)
    (exact,) = torch.autograd.grad(exact_y.sum() + exact_log_det, exact_params)
    torch.testing.assert_close(grad.double(), exact, atol=1e-6, rtol=1e-5)


@every_constraint
def test_a_huge_u_beside_a_vanishing_w_is_finite(constraint):
    # The constraint cannot act, and 1 + wᵀu = −8 is no determinant of an invertible map.
    flow = Planar(2, 1, constraint=constraint)
    params = torch.tensor([9e-8, 0, -1e8, 0, 0], requires_grad=True)
    y, log_det = flow(torch.zeros(2), params)
    for value in (y, log_det, *torch.autograd.grad(y.sum() + log_det, params)):
        assert value.isfinite().all()


def test_where_u_is_zero():
    z = torch.randn(100, 5, dtype=torch.float64)
    for constraint, identity in (("identity", True), ("paper", False)):
        flow = Planar(5, 16, constraint=constraint)
        params = flow.initial_params().double()
        assert not split(flow, params)[1].any()
        y, log_det = flow(z, params)
        assert torch.allclose(y, z, atol=1e-12) == identity
        if not identity:
            # each step contracts: log det = log(1 + sech²·(log 2 − 1)) < 0
            assert (flow.transform_log_dets(z, params) < 0).all()
            assert log_det.mean() < -1


def test_a_second_derivative_is_refused():
    flow = Planar(3, 2)
    params = torch.randn(flow.param_size, requires_grad=True)
    y, _ = flow(torch.randn(3), params)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(y.sum(), params, create_graph=True)


def test_many_samples_and_one_have_the_same_gradients():
    # One sample an image takes a triangular solve, several the recurrence.
    flow = Planar(4, 9)
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(6, 3, 4, dtype=torch.float64)

    def gradient(z: Tensor) -> Tensor:
        leaf = params.clone().requires_grad_()
        y, log_det = flow(z, leaf)
        return torch.autograd.grad(y.square().sum() + log_det.sum(), leaf)[0]

    torch.testing.assert_close(gradient(z), sum(gradient(z_s) for z_s in z))
