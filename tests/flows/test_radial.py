"""Radial flows against the paper's formulas, and at the points where those break down."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.flows.radial import Radial


def split(flow: Radial, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centres [*batch, K, D], α and s [*batch, K], from the documented packing."""
    centre, alpha, s = params.split(
        [flow.num_transforms * flow.dim, flow.num_transforms, flow.num_transforms], dim=-1
    )
    return centre.unflatten(-1, (flow.num_transforms, flow.dim)), softplus(alpha), softplus(s)


def textbook_steps(flow: Radial, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    """Rezende & Mohamed's eq. 14 and appendix A.2, β = −α + softplus: z_K and log-dets [K, …]."""
    log_dets = []
    centre, alpha, s = split(flow, params)
    for k in range(flow.num_transforms):
        alpha_k, beta_k = alpha[..., k], s[..., k] - alpha[..., k]
        offset = z - centre[..., k, :]
        r = offset.square().sum(-1).sqrt()
        h = 1 / (alpha_k + r)
        along = (1 + beta_k * h - beta_k * h.square() * r).log()
        log_dets.append((flow.dim - 1) * (1 + beta_k * h).log() + along)
        z = z + (beta_k * h).unsqueeze(-1) * offset
    return z, torch.stack(log_dets)


def textbook(flow: Radial, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    z_K, log_dets = textbook_steps(flow, z, params)
    return z_K, log_dets.sum(0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("num_transforms", [1, 2, 16])
@pytest.mark.parametrize("dim", [1, 6])
def test_the_stack_is_the_textbook_loop(dim, num_transforms, scale):
    flow = Radial(dim, num_transforms)
    params = scale * torch.randn(4, flow.param_size, dtype=torch.float64)
    z = torch.randn(3, 4, dim, dtype=torch.float64)
    for stack, loop in zip(flow(z, params), textbook(flow, z, params), strict=True):
        torch.testing.assert_close(stack, loop, rtol=1e-9, atol=1e-9)
    by_step = textbook_steps(flow, z, params)[1]
    torch.testing.assert_close(flow.transform_log_dets(z, params), by_step, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 7])
def test_the_stacks_gradients_are_the_textbook_loops(samples):
    flow = Radial(6, 16)
    params = torch.randn(4, flow.param_size, dtype=torch.float64, requires_grad=True)
    z = torch.randn(samples, 4, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(samples, 4, 6, dtype=torch.float64)
    gradients = []
    for run in (flow, lambda z, params: textbook(flow, z, params)):
        y, log_det = run(z, params)
        loss = (weights * y).sum() + (weights[..., 0] * log_det).sum()
        gradients.append(torch.autograd.grad(loss, (z, params)))
    for stack, loop in zip(*gradients, strict=True):
        torch.testing.assert_close(stack, loop, rtol=1e-8, atol=1e-8)


def test_at_the_centre():
    # r = 0: the map is z ↦ c + (s/α)(z − c) to first order, so log det = D log(s/α).
    flow = Radial(3, 1)
    params = torch.randn(flow.param_size, dtype=torch.float64, requires_grad=True)
    centre, alpha, s = (part.squeeze(0) for part in split(flow, params))
    z = centre.detach().clone().requires_grad_()
    y, log_det = flow(z, params)
    assert y.equal(centre)
    torch.testing.assert_close(log_det, 3 * (s / alpha).log().squeeze())
    by_z, by_params = torch.autograd.grad(y.sum(), (z, params), retain_graph=True)
    torch.testing.assert_close(by_z, (s / alpha).expand(3).detach())
    torch.testing.assert_close(by_params[:3], (1 - s / alpha).expand(3).detach())
    assert not by_params[3:].any()
    for gradient in torch.autograd.grad(log_det, (z, params)):
        assert gradient.isfinite().all()
    back, inverse_log_det = flow.inverse(y, params)
    assert back.equal(z)
    torch.testing.assert_close(inverse_log_det, -log_det)


@pytest.mark.parametrize("raw", [(5.0, -100.0), (-100.0, 5.0), (-100.0, -100.0), (90.0, -90.0)])
def test_at_the_centre_with_extreme_parameters_in_float32(raw):
    flow = Radial(5, 1)
    params = torch.tensor([0.0] * 5 + [*raw], requires_grad=True)
    z = torch.zeros(5, requires_grad=True)
    y, log_det = flow(z, params)
    for value in (y, log_det, *torch.autograd.grad(y.sum() + log_det, (z, params))):
        assert value.isfinite().all()


def test_the_norm_is_each_points_own():
    flow = Radial(3, 2)
    params = torch.randn(4, flow.param_size)
    z = torch.randn(4, 3)
    y, log_det = flow(z, params)
    z[1:] *= 100
    moved, moved_log_det = flow(z, params)
    assert moved[0].equal(y[0])
    assert moved_log_det[0] == log_det[0]


def test_equal_alpha_and_s_are_the_identity():
    flow = Radial(5, 8)
    z = torch.randn(20, 5)
    y, log_det = flow(z, flow.initial_params())
    torch.testing.assert_close(y, z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_det, torch.zeros(20), rtol=0, atol=1e-5)


def test_strong_contraction_keeps_its_log_det_in_float32():
    # β → −α: the textbook's 1 + βh is 0 in float32 where s ≪ α and r is small.
    flow = Radial(2, 1)
    params = torch.tensor([0.0, 0.0, 3.0, -40.0])
    z = torch.tensor([1e-12, 0.0])
    _, log_det = flow(z, params)
    _, expected = flow(z.double(), params.double())
    assert not textbook(flow, z, params)[1].isfinite()
    torch.testing.assert_close(log_det, expected.float(), rtol=1e-5, atol=0)


def test_a_second_derivative_is_refused():
    flow = Radial(3, 2)
    params = torch.randn(flow.param_size, requires_grad=True)
    y, _ = flow(torch.randn(3), params)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(y.sum(), params, create_graph=True)
