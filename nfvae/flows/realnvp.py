"""Affine couplings, RealNVP (Dinh et al. 2017)."""

from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from nfvae.flows.conditioner import ContextSize, HiddenLayers, HiddenSize
from nfvae.flows.coupling import Coupling
from nfvae.flows.registry import register


@register("realnvp")
class RealNVP(Coupling):
    """K affine couplings (Dinh et al. 2017, section 3.2).

        (a, b) = the components of z in two halves,   f(a, b) = (a, b ⊙ exp(s) + t)
        s = m tanh(s′/m),   (t, s′) = θ(a, c),   log det = Σ_i s_i

    |s| is bounded by m, so that a transform scales by exp(±m) at most.

    The parameters are the context c, [*batch, context_size]. The weights of the networks are
    weights of the flow, shared by all images.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers per image that the networks see besides a; with 0 they see a alone.
        hidden_size: units of each hidden layer.
        hidden_layers: hidden layers of each network.
        max_log_scale: m.

    Raises:
        ValueError: dim < 2.

    Example:
        >>> import torch
        >>> from nfvae.flows import RealNVP
        >>> flow = RealNVP(dim=4, num_transforms=6, context_size=3)
        >>> z, log_det = flow(torch.randn(100, 4), torch.randn(100, 3))
    """

    numbers_per_dim = 2

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: ContextSize = 64,
        hidden_size: HiddenSize = 128,
        hidden_layers: HiddenLayers = 1,
        max_log_scale: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        super().__init__(
            dim,
            num_transforms,
            context_size=context_size,
            hidden_size=hidden_size,
            hidden_layers=hidden_layers,
        )
        self.max_log_scale = max_log_scale

    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._affine(theta)
        return b * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._affine(theta)
        return (b - shift) * (-log_scale).exp(), -log_scale.sum(-1)

    def _affine(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = theta.chunk(2, dim=-1)
        return shift, self.max_log_scale * (raw / self.max_log_scale).tanh()
