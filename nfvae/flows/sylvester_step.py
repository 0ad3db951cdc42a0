"""A Sylvester step in the coordinates y = Qᵀz, where it is y ↦ y + g, and its inverse.

    a = R̃y + b,     h = tanh(a),     g = Rh,     det = Π_i (h_i² + s_i sech²a_i)

R and R̃ are upper triangular; s_i = 1 + r_i r̃_i > 0 with their diagonals r and r̃. A factor is the
paper's 1 + tanh′(a_i) r_i r̃_i without its cancellation where r_i r̃_i → −1.
"""

from typing import Any

import torch
from torch import Tensor

from nfvae.autograd import first_order_only
from nfvae.flows.monotone_root import sech2, solve_tanh


def constrain(u: Tensor, r_tilde: Tensor) -> tuple[Tensor, Tensor]:
    """Free numbers (u, r̃) -> (r, s), elementwise, with s = 1 + r·r̃ > 0.

    With θ = asinh(u·r̃/2) and σ the logistic function, r = u·σ(θ) has 1 + r·r̃ = exp(θ): for
    u·r̃ = e^θ − e^−θ, and (e^θ − e^−θ)/(1 + e^−θ) = e^θ − 1. A smooth bijection of R² onto the pairs
    (r, r̃) with 1 + r·r̃ > 0, without a subtraction; u = 0 is r = 0. Where u·r̃ → −∞, s falls as
    1/|u·r̃| only, out of underflow's reach.
    """
    theta = torch.asinh(0.5 * u * r_tilde)
    return u * theta.sigmoid(), theta.exp()


class SylvesterStep(torch.autograd.Function):
    """(y [B, S, M], triangles [B, M, M], r, s, b [B, 1, M]) -> (g [B, S, M], log_det [B, S]).

    `triangles` holds R above its diagonal and R̃ᵀ on and below it. Differentiable once; a second
    derivative raises.
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, triangles: Tensor, r: Tensor, s: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        above, r_tilde_t = triangles.triu(1), triangles.tril()
        a = torch.baddbmm(b, y, r_tilde_t)
        h = a.tanh()
        slope = sech2(a)
        det = torch.addcmul(h * h, s, slope)
        ctx.save_for_backward(y, above, r_tilde_t, r, s, h, slope, det)
        return torch.baddbmm(r * h, h, above.mT), det.log().sum(-1)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_g: Tensor, grad_log_det: Tensor) -> tuple[Tensor, ...]:
        y, above, r_tilde_t, r, s, h, slope, det = ctx.saved_tensors
        grad_det = grad_log_det.unsqueeze(-1) / det
        grad_h = torch.baddbmm(r * grad_g, grad_g, above)
        grad_a = grad_h.addcmul_(2 * h * (1 - s), grad_det).mul_(slope)
        grad_triangles = (y.mT @ grad_a).tril_().add_((grad_g.mT @ h).triu_(1))
        return (
            grad_a @ r_tilde_t.mT,
            grad_triangles,
            (grad_g * h).sum(1, keepdim=True),
            (grad_det * slope).sum(1, keepdim=True),
            grad_a.sum(1, keepdim=True),
        )


def solve_step(
    image: Tensor, triangles: Tensor, r: Tensor, s: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """From a step's image y′ = y + g: g, and log_det at y. Shapes as in `SylvesterStep`.

    a + R̃R·tanh(a) = R̃y′ + b is upper triangular in a, with s − 1 on R̃R's diagonal: from the last
    coordinate to the first, each is one increasing scalar equation (van den Berg et al. 2018,
    theorem 2).
    """
    r_matrix = triangles.triu(1) + torch.diag_embed(r.squeeze(1))
    r_tilde_t = triangles.tril()
    coupling = r_tilde_t.mT @ r_matrix  # R̃R
    rows = []
    v = torch.baddbmm(b, image, r_tilde_t).mT  # [B, M, S]
    for i in reversed(range(v.shape[1])):
        a_i = solve_tanh(v[:, i], s[:, :, i])
        rows.append(a_i)
        v = v[:, :i] - coupling[:, :i, i : i + 1] * a_i.tanh().unsqueeze(1)
    a = torch.stack(rows[::-1], dim=-1)
    h = a.tanh()
    return h @ r_matrix.mT, torch.addcmul(h * h, s, sech2(a)).log().sum(-1)
