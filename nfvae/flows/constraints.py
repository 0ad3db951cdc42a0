"""Constraints that make planar and Sylvester transforms invertible, without loss of precision."""

from math import exp, log1p

import torch
from torch import Tensor
from torch.nn.functional import softplus


def lowest_s(dtype: torch.dtype) -> float:
    """The smallest s = 1 + wᵀû of a planar transform.

    log det can be as low as log s, whose derivative is 1/s. With this limit, the derivative is a
    factor 1/ε below overflow, so that large incoming gradients stay finite.
    """
    info = torch.finfo(dtype)
    return info.tiny / info.eps


def constrain_planar(c: Tensor, n: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """From c = wᵀu and n = ‖w‖², elementwise: s = 1 + wᵀû, and kappa with û = u + kappa·w.

    s = softplus(c + shift), at least `lowest_s`. kappa uses the same s, so map and
    log-determinant agree. Where w is so short that its direction is rounding noise, û = u and
    s = 1 + wᵀu.
    """
    eps = torch.finfo(c.dtype).eps
    too_short = n < eps**2
    s = softplus(c + shift, threshold=40.0).clamp(min=lowest_s(c.dtype))
    # Division by a small n magnifies the rounding of s; near c = 0, s − 1 is computed directly.
    at_zero, slope = log1p(exp(shift)) - 1, 1 / (1 + exp(-shift))
    near_zero = at_zero + (slope * c.clamp(-1, 1).expm1()).log1p()
    kappa = (torch.where(c.abs() < 1, near_zero, s - 1) - c) / torch.where(too_short, 1.0, n)
    unconstrained = (1 + c).clamp(min=eps)
    return torch.where(too_short, unconstrained, s), torch.where(too_short, 0.0, kappa)


def constrain_sylvester(u: Tensor, r_tilde: Tensor) -> tuple[Tensor, Tensor]:
    """Free numbers (u, r̃) -> (r, s), elementwise, with s = 1 + r·r̃ > 0.

    With θ = asinh(u·r̃/2) and σ the logistic function, r = u·σ(θ) has 1 + r·r̃ = exp(θ): for
    u·r̃ = e^θ − e^−θ, and (e^θ − e^−θ)/(1 + e^−θ) = e^θ − 1. It is a smooth bijection of R² onto
    the pairs (r, r̃) with 1 + r·r̃ > 0, computed without a subtraction. u = 0 gives r = 0. Where
    u·r̃ → −∞, s falls only as 1/|u·r̃|, so it does not underflow.
    """
    theta = torch.asinh(0.5 * u * r_tilde)
    return u * theta.sigmoid(), theta.exp()
