"""The fast form of a Sylvester transform, in the coordinates y = Qᵀz, where it is y ↦ y + g.

    a = R̃y + b,     h = tanh(a),     g = Rh,     det = Π_i (h_i² + s_i sech²a_i)

R and R̃ are upper triangular with diagonals r and r̃; s_i = 1 + r_i r̃_i > 0.
"""

from typing import Any

import torch
from torch import Tensor

from nfvae.flows.fused.function import FusedFunction, fast_sech2


class SylvesterStep(FusedFunction):
    """(y [B, S, M], triangles [B, M, M], r, s, b [B, 1, M]) -> (g [B, S, M], log_det [B, S]).

    `triangles` holds R above its diagonal and R̃ᵀ on and below it.
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, triangles: Tensor, r: Tensor, s: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        above, r_tilde_t = triangles.triu(1), triangles.tril()
        a = torch.baddbmm(b, y, r_tilde_t)
        h = a.tanh()
        slope = fast_sech2(a)
        det = torch.addcmul(h * h, s, slope)
        ctx.save_for_backward(y, above, r_tilde_t, r, s, h, slope, det)
        return torch.baddbmm(r * h, h, above.mT), det.log().sum(-1)

    @staticmethod
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
