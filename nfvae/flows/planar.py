"""Planar flow (Rezende & Mohamed 2015, eq. 10-12 and appendix A.1)."""

from collections.abc import Sequence
from math import expm1, log
from typing import Literal

import torch
from torch import Size, Tensor

from nfvae.flows.base import StepwiseFlow
from nfvae.flows.constraints import constrain_planar
from nfvae.flows.fused.function import in_use
from nfvae.flows.fused.planar import PlanarStack, split_params
from nfvae.flows.monotone_root import sech2, solve_tanh
from nfvae.flows.registry import register
from nfvae.flows.rows import from_rows, to_rows

SHIFT = {"paper": 0.0, "identity": log(expm1(1.0))}


@register("planar")
class Planar(StepwiseFlow):
    """K planar transforms (Rezende & Mohamed 2015, eq. 10-12 and appendix A.1).

        f(z) = z + û tanh(wᵀz + b)
        û    = u + (s − 1 − wᵀu) w / ‖w‖²,     so that 1 + wᵀû = s > 0 and f is invertible
        det  = tanh² + s·sech²                 (equal to 1 + sech²·wᵀû, without its cancellation)

    Packed parameters, K·(2D + 1) numbers: w_1 … w_K, u_1 … u_K (D each), then b_1 … b_K.

    Args:
        dim: D.
        num_transforms: K.
        constraint: s as a function of wᵀu. "paper": s = softplus(wᵀu), under which u = 0 is not the
            identity: an untrained transform contracts, by log log 2 = −0.37 nats at wᵀz + b = 0.
            "identity": s = softplus(wᵀu + log(e − 1)), which is 1 at wᵀu = 0.
        fused: compute all K transforms as one operation with a hand-written derivative, which is
            faster; False computes one transform after the other, which works under torch.func and
            double backward.

    Example:
        >>> import torch
        >>> from nfvae.flows import Planar
        >>> flow = Planar(dim=2, num_transforms=8)
        >>> z, log_det = flow(torch.randn(100, 2), flow.initial_params())
        >>> z.shape, log_det.shape
        (torch.Size([100, 2]), torch.Size([100]))
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        constraint: Literal["identity", "paper"] = "identity",
        fused: bool = True,
    ) -> None:
        super().__init__(dim, num_transforms)
        if constraint not in SHIFT:
            raise ValueError(f"constraint must be one of {', '.join(SHIFT)}, got {constraint!r}")
        self.shift = SHIFT[constraint]
        self.fused = fused

    @property
    def param_size(self) -> int:
        return self.num_transforms * (2 * self.dim + 1)

    @property
    def working_size(self) -> int:
        return self.num_transforms**2 if self.fused else 0  # the matrix ûwᵀ

    def initial_params(self) -> Tensor:
        w = torch.randn(self.num_transforms * self.dim) / self.dim**0.5
        return torch.cat([w, torch.zeros(self.num_transforms * (self.dim + 1))])

    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        w, u, b = split_params(params, self.num_transforms, self.dim)
        s, kappa = constrain_planar((w * u).sum(-1), (w * w).sum(-1), self.shift)
        u_hat = u + kappa.unsqueeze(-1) * w
        return list(zip(w.unbind(-2), u_hat.unbind(-2), b.unbind(-1), s.unbind(-1), strict=True))

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        w, u_hat, b, s = params
        a = (w * z).sum(-1) + b
        h = a.tanh()
        det = h * h + s * sech2(a)
        return z + u_hat * h.unsqueeze(-1), det.log()

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        # With a = wᵀz + b, f(z) = y gives the scalar equation a + (s − 1) tanh(a) = wᵀy + b,
        # whose left side increases with a.
        w, u_hat, b, s = params
        a = solve_tanh((w * y).sum(-1) + b, s)
        h = a.tanh()
        det = h * h + s * sech2(a)
        return y - u_hat * h.unsqueeze(-1), -det.log()

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        if not in_use(self.fused):
            return super()._forward(z, params)
        z_K, log_dets = self._run_fused(z, params)
        return z_K, from_rows(log_dets.sum(1), z.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        if not in_use(self.fused):
            return super()._transform_log_dets(z, params)
        _, log_dets = self._run_fused(z, params)
        shape = Size([*z.shape[:-1], self.num_transforms])
        return from_rows(log_dets.mT, shape).movedim(-1, 0)

    def _run_fused(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z_K [*sample, *batch, D] and the log-dets of the transforms as rows, [B, K, S]."""
        batch = params.shape[:-1]
        z_K, log_dets = PlanarStack.call(
            to_rows(z, batch),
            params.reshape(batch.numel(), self.param_size),
            self.num_transforms,
            self.shift,
        )
        return from_rows(z_K, z.shape), log_dets
