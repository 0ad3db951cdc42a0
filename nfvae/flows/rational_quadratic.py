"""Increasing rational-quadratic splines (Durkan et al. 2019, section 3.1).

Between two knots, w apart in x and h in y, with slopes d₀ and d₁ at them: with s = h/w, the
fraction ξ = (x − x₀)/w of the way, and ω = ξ(1 − ξ),

    y     = y₀ + h (sξ² + d₀ω) / D,                 D = s(1 − 2ω) + (d₀ + d₁)ω
    dy/dx = (s/D)² (d₀(1 − ξ)² + 2sω + d₁ξ²)

The inverse solves a quadratic in ξ. Its discriminant, at u = (y − y₀)/h, is

    E² + 4s²u(1 − u),   E = d₀(1 − u) − d₁u

which in this form (unlike b² − 4ac) is never negative. No formula here suffers from cancellation.
"""

from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

STEEPEST = 1e3
"""Slopes at the knots lie within [1/STEEPEST, STEEPEST], and no piece is longer than another by
more than this factor. This keeps a stack of splines invertible in floating point."""


class RationalQuadratic(NamedTuple):
    """Knots and slopes, each [*, n + 1]. Outside the first and the last knot it is the identity."""

    x: Tensor
    y: Tensor
    slope: Tensor


class Piece(NamedTuple):
    """The piece that each point lies on; letters as in the module's text."""

    x0: Tensor
    y0: Tensor
    w: Tensor
    h: Tensor
    d0: Tensor
    d1: Tensor


def rational_quadratic(theta: Tensor, bound: float) -> RationalQuadratic:
    """The spline on [−bound, bound] with the unconstrained parameters θ [*, 3·bins − 1].

    Widths, heights, then the slopes at the inner knots; θ = 0 is the identity.
    """
    bins = (theta.shape[-1] + 1) // 3
    widths, heights, raw = theta.split([bins, bins, bins - 1], dim=-1)
    slope = F.pad(_soft_clip(raw, log(STEEPEST)), (1, 1)).exp()
    return RationalQuadratic(_knots(widths, bound), _knots(heights, bound), slope)


def evaluate(spline: RationalQuadratic, x: Tensor) -> tuple[Tensor, Tensor]:
    """y and log dy/dx at x [*]."""
    inside, piece, xi = _locate(spline, x, spline.x)
    omega = xi * (1 - xi)
    s = piece.h / piece.w
    y = piece.y0 + piece.h * (s * xi * xi + piece.d0 * omega) / _denominator(piece, omega)
    return torch.where(inside, y, x), torch.where(inside, _log_slope(piece, xi), 0.0)


def invert(spline: RationalQuadratic, y: Tensor) -> tuple[Tensor, Tensor]:
    """x and log dx/dy at y [*]."""
    inside, piece, u = _locate(spline, y, spline.y)
    s = piece.h / piece.w
    e = piece.d0 * (1 - u) - piece.d1 * u
    f = 4 * s * s * u * (1 - u)
    larger = e.abs() + (e * e + f).sqrt()
    # ξ = 2su / (2su + E + √(E² + F)), the sum in the branch without cancellation.
    xi = 2 * s * u / (2 * s * u + torch.where(e > 0, larger, f / larger))
    x = piece.x0 + piece.w * xi
    return torch.where(inside, x, y), torch.where(inside, -_log_slope(piece, xi), 0.0)


def _knots(raw: Tensor, bound: float) -> Tensor:
    fractions = _soft_clip(raw, log(STEEPEST) / 2).softmax(-1)
    inner = fractions[..., :-1].cumsum(-1).mul(2).sub(1)
    return bound * F.pad(F.pad(inner, (1, 0), value=-1.0), (0, 1), value=1.0)


def _soft_clip(raw: Tensor, limit: float) -> Tensor:
    """Close to `raw` near 0, and within ±limit. Its gradient decays more slowly than tanh's."""
    return raw / (1 + raw.abs() / limit)


def _locate(
    spline: RationalQuadratic, point: Tensor, knots: Tensor
) -> tuple[Tensor, Piece, Tensor]:
    """Whether each point is between the outer knots, its piece, and how far along it lies."""
    inside = (point > knots[..., 0]) & (point < knots[..., -1])
    point = torch.where(inside, point, 0.0)  # any value inside, to keep unused branches finite
    index = (point.unsqueeze(-1) >= knots[..., 1:-1]).sum(-1, keepdim=True)
    columns = (spline.x[..., :-1], spline.y[..., :-1], spline.x.diff(), spline.y.diff())
    slopes = (spline.slope[..., :-1], spline.slope[..., 1:])
    piece = Piece(*(column.gather(-1, index).squeeze(-1) for column in columns + slopes))
    start, length = (piece.x0, piece.w) if knots is spline.x else (piece.y0, piece.h)
    return inside, piece, (point - start) / length


def _denominator(piece: Piece, omega: Tensor) -> Tensor:
    return piece.h / piece.w * (1 - 2 * omega) + (piece.d0 + piece.d1) * omega


def _log_slope(piece: Piece, xi: Tensor) -> Tensor:
    omega = xi * (1 - xi)
    s = piece.h / piece.w
    bend = piece.d0 * (1 - xi).square() + 2 * s * omega + piece.d1 * xi * xi
    return 2 * (s / _denominator(piece, omega)).log() + bend.log()
