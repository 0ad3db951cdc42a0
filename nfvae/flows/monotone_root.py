"""The scalar equation behind the inverses of planar and Sylvester flows."""

import torch
from torch import Tensor


def solve_tanh(v: Tensor, s: Tensor) -> Tensor:
    """Solve a + (s − 1)·tanh(a) = v for a, elementwise; s > 0 makes the left side increasing.

    The equation is odd, so |v| is solved for a ≥ 0, where the left side is convex (s < 1) or
    concave (s > 1): Newton's method started on the proper side of the root then moves towards it
    monotonically and needs no safeguard.

    Differentiable in v and s (implicit function theorem). Shapes broadcast. Values are exact to
    rounding; where s ≪ 1 and v ≈ 0 the root itself is ill-conditioned, as the inverse is there.
    """
    v, s = torch.broadcast_tensors(v, s)
    a = _newton(v.detach().abs(), s.detach()).copysign(v.detach())
    if not (torch.is_grad_enabled() and (v.requires_grad or s.requires_grad)):
        return a
    # One further Newton step at the fixed point changes no value but carries the derivatives
    # da/dv = 1/g′(a), da/ds = −tanh(a)/g′(a).
    t = a.tanh()
    slope = t * t + s.detach() * _sech2(a)
    residual = (a - t) + s * t - v
    return a - (residual - residual.detach()) / slope


def _newton(v: Tensor, s: Tensor, max_iterations: int = 200) -> Tensor:
    from_right = s < 1
    a = torch.where(from_right, v + (1 - s), torch.maximum(v / s, v - (s - 1)))
    eps = torch.finfo(v.dtype).eps
    for _ in range(max_iterations):
        t = a.tanh()
        step = ((a - t) + s * t - v) / (t * t + s * _sech2(a))
        # Steps keep their sign until rounding is all that is left (or 0/0, at a = 0).
        moving = torch.where(from_right, step, -step) > eps * a
        if not bool(moving.any()):
            break
        a = torch.where(moving, a - step, a).clamp(min=0)
    return a


def _sech2(a: Tensor) -> Tensor:
    e = torch.exp(-2 * a.abs())
    return 4 * e / (1 + e).square()
