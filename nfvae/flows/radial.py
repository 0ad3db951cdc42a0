"""Radial flow (Rezende & Mohamed 2015, eq. 14 and appendix A.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.flows.base import StepwiseFlow
from nfvae.flows.fused.function import in_use
from nfvae.flows.fused.radial import RadialStack, smallest_radius
from nfvae.flows.registry import register
from nfvae.flows.rows import from_rows, to_rows


@register("radial")
class Radial(StepwiseFlow):
    """K radial transforms (Rezende & Mohamed 2015, eq. 14 and appendix A.2).

        f(z) = c + ρ (z − c),   ρ = (s + r) / (α + r),   r = ‖z − c‖,   α, s > 0
        log det = (D − 1) log ρ + log(αρ + r) − log(α + r)

    This is the paper's z + β h(α, r)(z − c) with h = 1/(α + r) and β = s − α > −α, written so that
    no term cancels. s = α is the identity.

    Packed parameters, K·(D + 2) numbers: centres c_1 … c_K (D each), then α′_1 … α′_K and
    s′_1 … s′_K with α = softplus(α′) and s = softplus(s′).

    Args:
        dim: D.
        num_transforms: K.
        fused: compute all K transforms as one operation with a hand-written derivative, which is
            faster; False computes one transform after the other, which works under torch.func and
            double backward.

    Example:
        >>> import torch
        >>> from nfvae.flows import Radial
        >>> flow = Radial(dim=2, num_transforms=8)
        >>> z, log_det = flow(torch.randn(100, 2), flow.initial_params())
        >>> z.shape, log_det.shape
        (torch.Size([100, 2]), torch.Size([100]))
    """

    def __init__(self, dim: int, num_transforms: int, *, fused: bool = True) -> None:
        super().__init__(dim, num_transforms)
        self.fused = fused

    @property
    def param_size(self) -> int:
        return self.num_transforms * (self.dim + 2)

    def initial_params(self) -> Tensor:
        centre = torch.randn(self.num_transforms * self.dim)
        # α as large as a typical r, so that a transform moves the whole of q0, not only its core.
        return torch.cat([centre, torch.full((2 * self.num_transforms,), self.dim**0.5)])

    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        centre, alpha, s = self._split(params)
        return list(zip(centre.unbind(-2), alpha.unbind(-1), s.unbind(-1), strict=True))

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        c, alpha, s = params
        offset = z - c
        r = _length(offset)
        rho = (s + r) / (alpha + r)
        return c + rho.unsqueeze(-1) * offset, self._log_det(r, alpha, rho)

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        # With R = ‖y − c‖, r(s + r) = R(α + r): the positive root of r² + (s − R) r − αR = 0.
        c, alpha, s = params
        offset = y - c
        image = _length(offset)  # R
        r = _positive_root(s - image, alpha * image)
        rho = (s + r) / (alpha + r)
        return c + offset / rho.unsqueeze(-1), -self._log_det(r, alpha, rho)

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centres [*, K, D], α and s [*, K]."""
        K, D = self.num_transforms, self.dim
        centre, raw = params.split([K * D, 2 * K], dim=-1)
        # Neither of them nor their quotient may underflow: that would lead to 0/0.
        alpha, s = softplus(raw).clamp(min=torch.finfo(raw.dtype).tiny ** 0.5).chunk(2, dim=-1)
        return centre.unflatten(-1, (K, D)), alpha, s

    def _log_det(self, r: Tensor, alpha: Tensor, rho: Tensor) -> Tensor:
        return (self.dim - 1) * rho.log() + (alpha * rho + r).log() - (alpha + r).log()

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        if not in_use(self.fused):
            return super()._forward(z, params)
        z_K, log_dets = self._run_fused(z, params)
        return z_K, from_rows(log_dets.sum(0), z.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        if not in_use(self.fused):
            return super()._transform_log_dets(z, params)
        _, log_dets = self._run_fused(z, params)
        return log_dets.mT.reshape(self.num_transforms, *z.shape[:-1])

    def _run_fused(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z_K [*sample, *batch, D] and the log-dets of the transforms as rows, [K, B, S]."""
        batch = params.shape[:-1]
        B, K, D = batch.numel(), self.num_transforms, self.dim
        centre, alpha, s = self._split(params)
        z_K, log_dets = RadialStack.call(
            to_rows(z, batch), centre.reshape(B, K, D), alpha.reshape(B, K), s.reshape(B, K)
        )
        return from_rows(z_K, z.shape), log_dets


def _length(offset: Tensor) -> Tensor:
    """‖z − c‖, [*, D] -> [*]. At the centre, where no gradient exists, the gradient is set to 0."""
    r = torch.linalg.vector_norm(offset, dim=-1)
    return torch.where(r > smallest_radius(r.dtype), r, r.detach())


def _positive_root(p: Tensor, product: Tensor) -> Tensor:
    """The root r ≥ 0 of r² + p r − product = 0, in the branch without cancellation."""
    root = (p * p + 4 * product).sqrt()
    return torch.where(p > 0, 2 * product / (p + root), (root - p) / 2)
