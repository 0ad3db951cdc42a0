"""The scalar equation behind the inverses of planar and Sylvester flows."""

from typing import Any

import torch
from torch import Tensor

from nfvae.autograd import first_order_only


def solve_tanh(v: Tensor, s: Tensor) -> Tensor:
    """Solve a + (s − 1)·tanh(a) = v for a, elementwise; s > 0 makes the left side increasing.

    Shapes broadcast. Differentiable once in v and s. Values are exact to rounding; where s ≪ 1 and
    v ≈ 0 the root itself is ill-conditioned, as the inverse is there.
    """
    a: Tensor = _Root.apply(*torch.broadcast_tensors(v, s))
    return a


class _Root(torch.autograd.Function):
    # Implicit function theorem, with g(a) = a + (s − 1) tanh(a): da/dv = 1/g′, da/ds = −tanh(a)/g′.

    @staticmethod
    def forward(ctx: Any, v: Tensor, s: Tensor) -> Tensor:
        a = _newton(v.abs(), s).copysign(v)
        ctx.save_for_backward(a, s)
        return a

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_a: Tensor) -> tuple[Tensor, Tensor]:
        a, s = ctx.saved_tensors
        t = a.tanh()
        grad_v = grad_a / (t * t + s * sech2(a))
        return grad_v, -t * grad_v


def _newton(v: Tensor, s: Tensor, max_iterations: int = 200) -> Tensor:
    """The root for v ≥ 0, a ≥ 0.

    There the left side is convex (s < 1) or concave (s > 1), so Newton's method started on the
    proper side of the root moves towards it monotonically and needs no safeguard.
    """
    from_right = s < 1
    a = torch.where(from_right, v + (1 - s), torch.maximum(v / s, v - (s - 1)))
    eps = torch.finfo(v.dtype).eps
    for _ in range(max_iterations):
        t = a.tanh()
        step = ((a - t) + s * t - v) / (t * t + s * sech2(a))
        # Steps keep their sign until rounding is all that is left (or 0/0, at a = 0).
        moving = torch.where(from_right, step, -step) > eps * a
        if not bool(moving.any()):
            break
        a = torch.where(moving, a - step, a).clamp(min=0)
    return a


def sech2(a: Tensor) -> Tensor:
    """1 − tanh²(a) without its cancellation at large |a|."""
    e = torch.exp(-2 * a.abs())
    return 4 * e / (1 + e).square()
