"""The scalar equation behind the inverses of planar and Sylvester flows."""

from typing import Any

import torch
from torch import Tensor

from nfvae.autograd import FirstOrderFunction


def solve_tanh(v: Tensor, s: Tensor) -> Tensor:
    """Solve a + (s − 1)·tanh(a) = v for a, elementwise; s > 0 makes the left side increasing.

    Shapes broadcast. Differentiable once in v and s. Values are exact to rounding. Where s ≪ 1 and
    v ≈ 0 the root, and so the inverse of the flow, is ill-conditioned.
    """
    a: Tensor = _Root.call(*torch.broadcast_tensors(v, s))
    return a


class _Root(FirstOrderFunction):
    # Implicit function theorem, with g(a) = a + (s − 1) tanh(a): da/dv = 1/g′, da/ds = −tanh(a)/g′.
    operation = "the inverse of planar and Sylvester flows"

    @staticmethod
    def forward(ctx: Any, v: Tensor, s: Tensor) -> Tensor:
        a = _newton(v.abs(), s).copysign(v)
        ctx.save_for_backward(a, s)
        return a

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> tuple[Tensor, Tensor]:
        a, s = ctx.saved_tensors
        t = a.tanh()
        grad_v = grad_a / (t * t + s * sech2(a))
        return grad_v, -t * grad_v


def _newton(v: Tensor, s: Tensor, max_iterations: int = 200) -> Tensor:
    """The root for v ≥ 0, a ≥ 0.

    Here the left side is convex (s < 1) or concave (s > 1), so Newton's method, started on the
    right side of the root, moves towards it monotonically and needs no safeguard.
    """
    from_right = s < 1
    # For s < 1 three bounds from above: tanh < 1, tanh(a) < a, and a − tanh(a) > a³/5 on (0, 1].
    above = torch.minimum(v + (1 - s), v / s)
    above = torch.where(v < 0.2, torch.minimum(above, (5 * v).pow(1 / 3)), above)
    a = torch.where(from_right, above, torch.maximum(v / s, v - (s - 1)))
    eps = torch.finfo(v.dtype).eps
    for _ in range(max_iterations):
        t = a.tanh()
        step = (_minus_tanh(a, t) + s * t - v) / (t * t + s * sech2(a))
        # Steps keep their sign until only rounding errors are left.
        moving = torch.where(from_right, step, -step) > eps * a
        if not bool(moving.any()):
            break
        a = torch.where(moving, a - step, a)
    return a


def _minus_tanh(a: Tensor, t: Tensor) -> Tensor:
    """a − tanh(a) for a ≥ 0 and t = tanh(a), without its cancellation near 0.

    Lambert's continued fraction tanh(a) = a / (1 + q), q = a² / (3 + a² / (5 + …)), has only
    positive terms, and then a − tanh(a) = q·tanh(a). For a < 1 nine terms are exact in float64.
    """
    square = a * a
    q = square / 19
    for odd in range(17, 1, -2):
        q = square / (odd + q)
    return torch.where(a < 1, q * t, a - t)


def sech2(a: Tensor) -> Tensor:
    """1 − tanh²(a) without its cancellation at large |a|; derivatives of all orders are correct."""
    return 4 * torch.sigmoid(2 * a) * torch.sigmoid(-2 * a)
