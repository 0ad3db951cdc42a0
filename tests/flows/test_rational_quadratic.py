"""Rational-quadratic splines against Durkan et al. 2019, eq. 4-5, and where the textbook breaks."""

from math import log

import pytest
import torch

from nfvae.flows.rational_quadratic import (
    STEEPEST,
    evaluate,
    invert,
    rational_quadratic,
)

BINS, BOUND = 8, 3.0


def draw(scale, count, dtype=torch.float64):
    theta = scale * torch.randn(count, 3 * BINS - 1, dtype=dtype)
    return rational_quadratic(theta, BOUND)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_is_the_identity(dtype):
    x = torch.linspace(-4, 4, 1001, dtype=dtype)
    spline = rational_quadratic(torch.zeros(1001, 3 * BINS - 1, dtype=dtype), BOUND)
    for y, log_slope in (evaluate(spline, x), invert(spline, x)):
        tolerance = 20 * torch.finfo(dtype).eps
        torch.testing.assert_close(y, x, rtol=0, atol=tolerance)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_equals_the_papers_formula(scale):
    knots = draw(scale, 200)
    x = torch.rand(200, dtype=torch.float64) * 2 * BOUND - BOUND
    y, log_slope = evaluate(knots, x)
    for i in range(200):
        k = int(torch.searchsorted(knots.x[i], x[i])) - 1
        (x0, x1), (y0, y1), (d0, d1) = (row[i, k : k + 2] for row in knots)
        s, xi = (y1 - y0) / (x1 - x0), (x[i] - x0) / (x1 - x0)
        bottom = s + (d1 + d0 - 2 * s) * xi * (1 - xi)
        top = (y1 - y0) * (s * xi**2 + d0 * xi * (1 - xi))
        slope = s**2 * (d1 * xi**2 + 2 * s * xi * (1 - xi) + d0 * (1 - xi) ** 2) / bottom**2
        torch.testing.assert_close(y[i], y0 + top / bottom, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(log_slope[i], slope.log(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 1000.0])
def test_knots_lie_as_the_limits_say(scale):
    knots = draw(scale, 500)
    for edges in (knots.x, knots.y):
        assert (edges[:, 0] == -BOUND).all()
        assert (edges[:, -1] == BOUND).all()
        lengths = edges.diff()
        assert (lengths.amax(1) <= STEEPEST * lengths.amin(1) * (1 + 1e-9)).all()
    assert (knots.slope.log().abs() <= log(STEEPEST)).all()
    assert (knots.slope[:, [0, -1]] == 1).all()


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_value_and_slope_are_continuous_at_the_knots(scale):
    knots = draw(scale, 300)
    for k in range(BINS + 1):
        y, log_slope = evaluate(knots, knots.x[:, k])
        torch.testing.assert_close(y, knots.y[:, k])
        torch.testing.assert_close(log_slope, knots.slope[:, k].log(), rtol=1e-9, atol=1e-9)
        left, left_log_slope = evaluate(knots, knots.x[:, k] - 1e-13)
        torch.testing.assert_close(left, y, rtol=0, atol=1e-9)
        torch.testing.assert_close(left_log_slope, log_slope, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_is_exact_to_rounding(scale, dtype):
    # With b² − 4ac for the discriminant, hundreds of these are NaN in float32 from scale 10 on.
    knots = draw(scale, 100_000, dtype)
    x = 2 * torch.randn(100_000, dtype=dtype)
    y, log_slope = evaluate(knots, x)
    back, inverse_log_slope = invert(knots, y)
    # x is rounded too, which the slope magnifies.
    error = (evaluate(knots, back)[0] - y).abs()
    assert (error <= 10 * torch.finfo(dtype).eps * BOUND * (1 + log_slope.exp())).all()
    assert log_slope.isfinite().all()
    assert inverse_log_slope.isfinite().all()


@pytest.mark.parametrize("method", [evaluate, invert])
def test_gradients(method):
    theta = torch.randn(6, 3 * BINS - 1, dtype=torch.float64, requires_grad=True)
    points = torch.tensor([-5.0, -2.9, -0.4, 0.3, 2.0, 4.0], dtype=torch.float64)
    points.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda theta, point: method(rational_quadratic(theta, BOUND), point), (theta, points)
    )


@pytest.mark.parametrize("method", [evaluate, invert])
@pytest.mark.parametrize("scale", [0.0, 10.0, 1000.0])
def test_finite_gradients_in_float32(method, scale):
    theta = (scale * torch.randn(10_000, 3 * BINS - 1)).requires_grad_()
    points = (2 * torch.randn(10_000)).requires_grad_()
    value, log_slope = method(rational_quadratic(theta, BOUND), points)
    for gradient in torch.autograd.grad(value.sum() + log_slope.sum(), (theta, points)):
        assert gradient.isfinite().all()
