"""Planar flow (Rezende & Mohamed 2015, eq. 10-12 and appendix A.1).

    f(z) = z + û tanh(wᵀz + b)
    û    = u + (s − 1 − wᵀu) w / ‖w‖²,     so that 1 + wᵀû = s > 0 and f is invertible
    det  = tanh² + s·sech²                 (the textbook 1 + sech²·wᵀû without its cancellation)

The constraint chooses s as a function of wᵀu: `paper` takes softplus(wᵀu), under which u = 0 is not
the identity: an untrained step contracts, by log log 2 = −0.37 nats where wᵀz + b = 0; `identity`
takes softplus(wᵀu + log(e − 1)), which is 1 at wᵀu = 0.
"""

from math import expm1, log
from typing import Literal

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.layout import fold, unfold
from nfvae.flows.monotone_root import sech2, solve_tanh
from nfvae.flows.planar_stack import PlanarStack, constrain, unpack
from nfvae.flows.registry import register

SHIFT = {"paper": 0.0, "identity": log(expm1(1.0))}


@register("planar")
class Planar(Flow):
    """K planar steps.

    Packed parameters: w_1 … w_K, u_1 … u_K (D each), then b_1 … b_K.

    Args:
        dim: D.
        num_transforms: K.
        constraint: how û is made invertible, see the module's text.
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        constraint: Literal["identity", "paper"] = "identity",
    ) -> None:
        super().__init__(dim, num_transforms)
        self.shift = SHIFT[constraint]

    @property
    def param_size(self) -> int:
        return self.num_transforms * (2 * self.dim + 1)

    def initial_params(self) -> Tensor:
        w = torch.randn(self.num_transforms * self.dim) / self.dim**0.5
        return torch.cat([w, torch.zeros(self.num_transforms * (self.dim + 1))])

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        z_K, log_dets = self._stack(z, params)
        return z_K, unfold(log_dets.sum(1), z.shape[:-1])

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        _, log_dets = self._stack(z, params)
        return unfold(
            log_dets.movedim(1, -1), torch.Size([*z.shape[:-1], self.num_transforms])
        ).movedim(-1, 0)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        # wᵀz along one step solves a scalar equation: with a = wᵀz + b, f(z) = y reads
        # a + (s − 1) tanh(a) = wᵀy + b, strictly increasing in a.
        w, u, b = unpack(params, self.num_transforms, self.dim)
        s, kappa = constrain((w * u).sum(-1), (w * w).sum(-1), self.shift)
        u_hat = u + kappa.unsqueeze(-1) * w
        total = y.new_zeros(y.shape[:-1])
        for k in reversed(range(self.num_transforms)):
            w_k, u_k, s_k = w[..., k, :], u_hat[..., k, :], s[..., k]
            a = solve_tanh((w_k * y).sum(-1) + b[..., k], s_k)
            t = a.tanh()
            y = y - u_k * t.unsqueeze(-1)
            total = total - (t * t + s_k * sech2(a)).log()
        return y, total

    def _stack(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z_K [*sample, *batch, D] and the log-dets by step, folded: [B, K, S]."""
        batch = params.shape[:-1]
        z_K, log_dets = PlanarStack.apply(
            fold(z, batch), params.reshape(batch.numel(), -1), self.num_transforms, self.shift
        )
        return unfold(z_K, z.shape), log_dets
