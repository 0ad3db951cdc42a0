"""The fast form of the radial flow: all K transforms as one differentiable operation."""

from typing import Any

import torch
from torch import Tensor

from nfvae.flows.fused.function import FusedFunction


def smallest_radius(dtype: torch.dtype) -> float:
    """Radius below which the gradient of r is taken as 0.

    This keeps 1/r times the derivatives in r, which grow as 1/s, finite.
    """
    return float(torch.finfo(dtype).tiny ** 0.4)


class RadialStack(FusedFunction):
    """(z [B, S, D], c [B, K, D], α [B, K], s [B, K]) -> (z_K [B, S, D], log_dets [K, B, S]).

    The loop over k contains only the vector operations. It stores the radii, from which the
    log-dets of all transforms and their derivatives are computed at once.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, centre: Tensor, alpha: Tensor, s: Tensor
    ) -> tuple[Tensor, Tensor]:
        K, dim = centre.shape[1:]
        centre_k = centre.unsqueeze(2).unbind(1)
        alpha, s = alpha.t().unsqueeze(-1), s.t().unsqueeze(-1)  # [K, B, 1]
        offsets = z.new_empty(K, *z.shape)
        radii = z.new_empty(K, *z.shape[:-1])
        rhos = torch.empty_like(radii)
        for k in range(K):
            offset = torch.sub(z, centre_k[k], out=offsets[k])
            r = torch.linalg.vector_norm(offset, dim=-1, out=radii[k])
            rho = torch.div(s[k] + r, alpha[k] + r, out=rhos[k])
            z = torch.addcmul(centre_k[k], offset, rho.unsqueeze(-1))
        log_dets = (dim - 1) * rhos.log() + (alpha * rhos + radii).log() - (alpha + radii).log()
        ctx.save_for_backward(offsets, radii, rhos, alpha)
        return z.clone() if K == 0 else z, log_dets

    @staticmethod
    def backward(ctx: Any, grad_z: Tensor, grad_log_dets: Tensor) -> tuple[Tensor, ...]:
        offsets, r, rho, alpha = ctx.saved_tensors
        K, dim = offsets.shape[0], offsets.shape[-1]
        reach, bulk = alpha + r, alpha * rho + r
        # Derivatives of log_det in ρ, and in r and α at fixed ρ.
        by_rho = grad_log_dets * ((dim - 1) / rho + alpha / bulk)
        by_r = grad_log_dets * (1 / bulk - 1 / reach)
        by_alpha = grad_log_dets * (rho / bulk - 1 / reach)
        away = r > smallest_radius(r.dtype)
        inverse_r = torch.where(away, 1 / r, 0.0)
        rho_by_r = torch.where(away, (1 - rho) / reach, 0.0)

        grad_rho = torch.empty_like(rho)
        grad_centre = offsets.new_empty(offsets.shape[1], K, dim)
        for k in reversed(range(K)):
            along = (grad_z * offsets[k]).sum(-1)
            g_rho = torch.add(along, by_rho[k], out=grad_rho[k])
            pull = torch.addcmul(by_r[k], g_rho, rho_by_r[k]).mul_(inverse_r[k])
            grad_offset = (grad_z * rho[k].unsqueeze(-1)).addcmul_(offsets[k], pull.unsqueeze(-1))
            grad_centre[:, k] = (grad_z - grad_offset).sum(1)
            grad_z = grad_offset
        grad_s = grad_rho / reach
        grad_alpha = torch.addcmul(by_alpha, grad_s, rho, value=-1)
        return grad_z, grad_centre, grad_alpha.sum(-1).t(), grad_s.sum(-1).t()
