"""What every flow must satisfy. A new one is tested as soon as it is registered."""

import math

import pytest
import torch

from nfvae.flows import Flow, FullRank

SCALES = [None, 0.01, 1.0, 5.0, 10.0]  # None: where training starts
EPS = torch.finfo(torch.float64).eps


def jacobian(flow: Flow, z: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(lambda point: flow(point, params)[0], z)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dim", [2, 5])
def test_log_det_is_that_of_the_jacobian(make_flow, draw_params, hint, name, dim, scale):
    flow = make_flow(name, dim, 5)
    for params, reach in zip(draw_params(flow, scale, (4,)), (0.03, 0.3, 1.0, 3.0), strict=True):
        z = reach * torch.randn(dim, dtype=torch.float64)
        log_det = flow(z, params)[1]
        J = jacobian(flow, z, params).detach()
        expected = torch.linalg.slogdet(J)[1]
        # The Jacobian's entries are rounded: its determinant is known no better than this.
        rounding = 10 * dim * EPS * torch.linalg.cond(J)
        tolerance = 1e-10 * max(1, abs(expected)) + rounding
        assert abs(log_det - expected) <= tolerance, hint(flow, scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dim", [2, 5])
def test_inverse_undoes_forward(make_flow, draw_params, hint, name, dim, scale):
    flow = make_flow(name, dim, 5)
    for params in draw_params(flow, scale, (3,)):
        z = 2 * torch.randn(dim, dtype=torch.float64)
        y, log_det = flow(z, params)
        back, inverse_log_det = flow.inverse(y, params)
        # y is known to rounding, which the inverse magnifies by ‖J⁻¹‖: no algorithm does better.
        stretch = torch.linalg.matrix_norm(jacobian(flow, z, params).inverse(), 2)
        rounding = EPS * stretch * (1 + y.norm())
        assert (back - z).norm() <= max(1e-13, 100 * rounding), hint(flow, scale)
        if scale is None or scale <= 1:
            assert (back - z).norm() <= 1e-9
            assert abs(inverse_log_det + log_det) <= 1e-9


@pytest.mark.parametrize("scale", [None, 1.0])
def test_density_integrates_to_one(make_flow, draw_params, name, scale):
    flow = make_flow(name, 2, 3)
    params = draw_params(flow, scale)
    with torch.no_grad():
        # The box holds the image of a disc outside of which N(0, I) has 2e-8 of its mass.
        radius, angle = torch.linspace(0, 6, 50), torch.linspace(0, 2 * math.pi, 100)
        polar = torch.cartesian_prod(radius, angle).double()
        disc = polar[:, :1] * torch.stack([polar[:, 1].cos(), polar[:, 1].sin()], 1)
        image = flow(disc, params)[0]
        low, high = image.amin(0), image.amax(0)
        n = 500
        cell = (high - low) / n
        steps = torch.arange(n, dtype=torch.float64) + 0.5
        midpoints = (low + cell * steps.unsqueeze(1)).unbind(1)
        z, log_det = flow.inverse(torch.cartesian_prod(*midpoints), params)
        log_q = -0.5 * z.square().sum(-1) - math.log(2 * math.pi) + log_det
        assert abs(log_q.exp().sum() * cell.prod() - 1) <= 1e-3


@pytest.mark.parametrize("method", ["forward", "inverse"])
def test_batch_and_sample_axes_mean_a_loop(make_flow, draw_params, name, method):
    flow = make_flow(name, 4, 3)
    params = draw_params(flow, 1.0, (2, 3))
    z = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    apply = getattr(flow, method)
    out, log_det = apply(z, params)
    assert out.shape == z.shape
    assert log_det.shape == z.shape[:-1]
    for s in range(5):
        for i in range(2):
            for j in range(3):
                alone, alone_log_det = apply(z[s, i, j], params[i, j])
                torch.testing.assert_close(out[s, i, j], alone, atol=1e-11, rtol=0)
                torch.testing.assert_close(log_det[s, i, j], alone_log_det, atol=1e-11, rtol=0)


@pytest.mark.parametrize("method", ["forward", "inverse"])
def test_one_row_of_parameters_serves_all_points(make_flow, draw_params, name, method):
    flow = make_flow(name, 4, 3)
    params = draw_params(flow, 1.0)
    z = torch.randn(2, 3, 4, dtype=torch.float64)
    apply = getattr(flow, method)
    shared, repeated = apply(z, params), apply(z, params.expand(2, 3, -1))
    torch.testing.assert_close(shared, repeated, atol=1e-11, rtol=0)


@pytest.mark.parametrize("method", ["forward", "inverse"])
def test_gradients(make_flow, draw_params, name, method):
    flow = make_flow(name, 3, 2)
    params = draw_params(flow, 1.0, (2,)).requires_grad_()
    z = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(getattr(flow, method), (z, params))


@pytest.mark.parametrize("num_transforms", [16, 80])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0, 50.0, 100.0])
def test_finite_in_float32(make_flow, draw_params, hint, name, num_transforms, scale):
    flow = make_flow(name, 5, num_transforms)
    params = draw_params(flow, scale, (20,)).float().requires_grad_()
    flow.float()
    for reach in (0.0, 1.0, 30.0):
        z = (reach * torch.randn(20, 5)).requires_grad_()
        y, log_det = flow(z, params)
        (y.sum() + log_det.sum()).backward()
        gradients = [leaf.grad for leaf in (z, params, *flow.parameters()) if leaf.grad is not None]
        for value in (y, log_det, *gradients):
            assert value.isfinite().all(), hint(flow, scale)


def test_no_transforms_are_the_identity(make_flow, name):
    flow = make_flow(name, 3, 0)
    z, params = torch.randn(4, 2, 3), torch.zeros(2, 0)
    assert flow.param_size == flow.initial_params().numel() == 0
    for out, log_det in (flow(z, params), flow.inverse(z, params)):
        assert torch.equal(out, z)
        assert torch.equal(log_det, torch.zeros(4, 2))
    assert flow.transform_log_dets(z, params).shape == (0, 4, 2)


def test_transform_log_dets_add_up(make_flow, draw_params, name):
    flow = make_flow(name, 3, 4)
    params = draw_params(flow, 1.0, (2,))
    z = torch.randn(5, 2, 3, dtype=torch.float64)
    by_step = flow.transform_log_dets(z, params)
    assert by_step.shape == (flow.num_transforms, 5, 2)
    torch.testing.assert_close(by_step.sum(0), flow(z, params)[1], atol=1e-12, rtol=0)


@pytest.mark.parametrize("num_transforms", [4, 80])
def test_starts_near_a_volume_preserving_map(make_flow, name, num_transforms):
    flow = make_flow(name, 10, num_transforms)
    start = flow.initial_params()
    assert start.shape == (flow.param_size,)
    log_det = flow(torch.randn(100, 10, dtype=torch.float64), start.double())[1]
    assert log_det.abs().max() <= 0.2 * flow.dim


class Exploding(FullRank):
    """Honest for small parameters only."""

    def _forward(self, z, params):
        y, log_det = super()._forward(z, params)
        return y * params.square().sum().exp(), log_det


def test_a_flow_can_limit_the_scales_at_which_it_is_tested(draw_params, hint):
    flow = Exploding(3)
    draw_params(flow, 100.0)
    assert "set its class attribute max_param_scale below 100.0" in hint(flow, 100.0)
    Exploding.max_param_scale = 1.0
    draw_params(flow, 1.0)
    with pytest.raises(pytest.skip.Exception, match=r"Exploding\.max_param_scale is 1\.0"):
        draw_params(flow, 100.0)
