"""What every flow accepts and refuses: shapes, empty batches, half precision."""

import pytest
import torch

METHODS = ["forward", "inverse", "transform_log_dets"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3), (4, 2, 1), ()])
def test_points_of_another_dimension_are_refused(make_flow, name, method, shape):
    flow = make_flow(name, 4, 2)
    params = torch.zeros(flow.param_size, dtype=torch.float64)
    with pytest.raises(ValueError, match="do not fit a flow of dimension 4") as caught:
        getattr(flow, method)(torch.zeros(shape, dtype=torch.float64), params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", [-1, 1])
def test_parameters_of_another_size_are_refused(make_flow, name, method, change):
    flow = make_flow(name, 4, 2)
    params = torch.zeros(2, max(flow.param_size + change, 1), dtype=torch.float64)
    with pytest.raises(ValueError, match=f"takes {flow.param_size} numbers"):
        getattr(flow, method)(torch.zeros(2, 4, dtype=torch.float64), params)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(4,), (10, 1, 4), (10, 4), (5, 10, 4), (1, 4)])
def test_points_without_the_batch_of_the_parameters_are_refused(make_flow, name, method, shape):
    flow = make_flow(name, 4, 2)
    params = torch.zeros(5, flow.param_size, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"do not belong to parameters of batch shape \(5,\)"):
        getattr(flow, method)(torch.zeros(shape, dtype=torch.float64), params)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("points", "batch"),
    [((0,), (0,)), ((4, 0), (0,)), ((0, 5), (5,)), ((0,), ()), ((0, 0), (0,)), ((2, 0, 3), (0, 3))],
)
def test_no_points_are_no_special_case(make_flow, name, points, batch, fused):
    flow = make_flow(name, 3, 2, fused=fused)
    params = torch.randn(*batch, flow.param_size, dtype=torch.float64, requires_grad=True)
    z = torch.randn(*points, 3, dtype=torch.float64, requires_grad=True)
    for out, log_det in (flow(z, params), flow.inverse(z, params)):
        assert out.shape == z.shape
        assert log_det.shape == points
    assert flow.transform_log_dets(z, params).shape == (flow.num_transforms, *points)
    y, log_det = flow(z, params)
    (y.sum() + log_det.sum()).backward()
    assert params.grad is None or not params.grad.any()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_is_computed_in_float32(make_flow, draw_params, name, fused, autocast):
    flow = make_flow(name, 3, 4, fused=fused)
    params = draw_params(flow, 0.3, (5,)).bfloat16()
    flow = flow.float() if autocast else flow.bfloat16()
    z = torch.randn(2, 5, 3).bfloat16()
    for method in (flow.forward, flow.inverse):
        leaves = [x.clone().requires_grad_() for x in (z, params)]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y, log_det = method(*leaves)
        exact, exact_log_det = method(z.float(), params.float())
        assert y.dtype == torch.bfloat16
        assert log_det.dtype == torch.float32
        torch.testing.assert_close(y, exact.bfloat16())
        torch.testing.assert_close(log_det, exact_log_det)
        (y.sum() + log_det.sum()).backward()
        assert leaves[0].grad.isfinite().all()
    assert flow.transform_log_dets(z, params).dtype == torch.float32


def test_autocast_leaves_float32_as_it_is(make_flow, draw_params, name):
    flow = make_flow(name, 3, 4)
    params, z = draw_params(flow, 0.3, (5,)).float(), torch.randn(5, 3)
    flow.float()
    with torch.autocast("cpu", torch.bfloat16):
        y, log_det = flow(z, params)
    expected, expected_log_det = flow(z, params)
    assert y.equal(expected)
    assert log_det.equal(expected_log_det)


def test_shapes_without_computing(make_flow, name):
    flow = make_flow(name, 3, 2, fused=False).to("meta")
    params = torch.empty(5, flow.param_size, device="meta", dtype=torch.float64)
    y, log_det = flow(torch.empty(2, 5, 3, device="meta", dtype=torch.float64), params)
    assert y.shape == (2, 5, 3)
    assert log_det.shape == (2, 5)
