"""Radial flow (Rezende & Mohamed 2015, eq. 14 and appendix A.2).

    f(z) = c + ρ (z − c),   ρ = (s + r) / (α + r),   r = ‖z − c‖,   α, s > 0

This is the paper's z + β h(α, r)(z − c) with h = 1/(α + r) and β = s − α > −α, written so that no
term cancels:

    log det = (D − 1) log ρ + log(αρ + r) − log(α + r)
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.autograd import first_order_only
from nfvae.flows.base import Flow
from nfvae.flows.layout import fold, unfold
from nfvae.flows.registry import register


@register("radial")
class Radial(Flow):
    """K radial steps; s = α is the identity.

    Packed parameters: centres c_1 … c_K (D each), then α′_1 … α′_K and s′_1 … s′_K, of which α and
    s are the softplus.
    """

    @property
    def param_size(self) -> int:
        return self.num_transforms * (self.dim + 2)

    def initial_params(self) -> Tensor:
        centre = torch.randn(self.num_transforms * self.dim)
        # α as large as a typical r, so that a step moves the whole of q0 and not only its core.
        return torch.cat([centre, torch.full((2 * self.num_transforms,), self.dim**0.5)])

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        z_K, log_dets = self._stack(z, params)
        return z_K, unfold(log_dets.sum(0), z.shape[:-1])

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        _, log_dets = self._stack(z, params)
        return log_dets.transpose(1, 2).reshape(self.num_transforms, *z.shape[:-1])

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        # With R = ‖y − c‖, r(s + r) = R(α + r): the positive root of r² + (s − R) r − αR = 0.
        centre, alpha, s = self._unpack(params)
        total = y.new_zeros(y.shape[:-1])
        for k in reversed(range(self.num_transforms)):
            c_k, alpha_k, s_k = centre[..., k, :], alpha[..., k], s[..., k]
            offset = y - c_k
            r = _radius(torch.linalg.vector_norm(offset, dim=-1), alpha_k, s_k)
            rho = (s_k + r) / (alpha_k + r)
            y = c_k + offset / rho.unsqueeze(-1)
            total = total - _log_det(r, alpha_k, rho, self.dim)
        return y, total

    def _unpack(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centre, raw = params.split(
            [self.num_transforms * self.dim, 2 * self.num_transforms], dim=-1
        )
        # Held where they do not underflow, nor their quotient: 0/0 would follow.
        alpha, s = softplus(raw).clamp(min=torch.finfo(raw.dtype).tiny ** 0.5).chunk(2, dim=-1)
        return centre.unflatten(-1, (self.num_transforms, self.dim)), alpha, s

    def _stack(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z_K [*sample, *batch, D] and the log-dets by step, folded: [K, B, S]."""
        centre, alpha, s = self._unpack(params)
        batch, K = params.shape[:-1], self.num_transforms
        z_K, log_dets = RadialStack.apply(
            fold(z, batch),
            centre.reshape(batch.numel(), K, self.dim),
            alpha.reshape(batch.numel(), K),
            s.reshape(batch.numel(), K),
        )
        return unfold(z_K, z.shape), log_dets


def _radius(image: Tensor, alpha: Tensor, s: Tensor) -> Tensor:
    """r ≥ 0 of r² + (s − R) r − αR = 0 for R = `image`, in the branch without cancellation."""
    p, product = s - image, alpha * image
    root = (p * p + 4 * product).sqrt()
    return torch.where(p > 0, 2 * product / (p + root), (root - p) / 2)


def _log_det(r: Tensor, alpha: Tensor, rho: Tensor, dim: int) -> Tensor:
    return (dim - 1) * rho.log() + (alpha * rho + r).log() - (alpha + r).log()


class RadialStack(torch.autograd.Function):
    """(z [B, S, D], c [B, K, D], α [B, K], s [B, K]) -> (z_K [B, S, D], log_dets [K, B, S]).

    The step-by-step loop with only the vector operations inside it: radii are kept, and the
    log-dets of all steps and their derivatives are computed once for the whole stack.
    Differentiable once; a second derivative raises.
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
        ctx.save_for_backward(offsets, radii, rhos, alpha)
        return z.clone() if K == 0 else z, _log_det(radii, alpha, rhos, dim)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_z: Tensor, grad_log_dets: Tensor) -> tuple[Tensor, ...]:
        offsets, r, rho, alpha = ctx.saved_tensors
        K, dim = offsets.shape[0], offsets.shape[-1]
        reach, bulk = alpha + r, alpha * rho + r
        # Derivatives of log_det in ρ, and in r and α at fixed ρ.
        by_rho = grad_log_dets * ((dim - 1) / rho + alpha / bulk)
        by_r = grad_log_dets * (1 / bulk - 1 / reach)
        by_alpha = grad_log_dets * (rho / bulk - 1 / reach)
        # At r = 0 there is no direction, and none is needed.
        inverse_r = torch.where(r > 0, 1 / r, 0.0)
        rho_by_r = torch.where(r > 0, (1 - rho) / reach, 0.0)

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
