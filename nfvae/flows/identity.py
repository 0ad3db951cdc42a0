"""No flow: q(z|x) is the diagonal Gaussian q0(z|x) (Kingma & Welling 2014)."""

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.registry import register


@register("none")
class Identity(Flow):
    """The identity map, f(z) = z with log det = 0 (Kingma & Welling 2014): K = 0 in the tables.

    It takes no parameters: [*batch, 0].

    Args:
        dim: D.
        num_transforms: K, 0.

    Raises:
        ValueError: num_transforms > 0.

    Example:
        >>> import torch
        >>> from nfvae.flows import Identity
        >>> Identity(dim=2)(torch.ones(2), torch.zeros(0))
        (tensor([1., 1.]), tensor(0.))
    """

    def __init__(self, dim: int, num_transforms: int = 0) -> None:
        if num_transforms:
            raise ValueError(f"Identity has no transforms, so K must be 0, got K={num_transforms}")
        super().__init__(dim, 0)

    @property
    def param_size(self) -> int:
        return 0

    def initial_params(self) -> Tensor:
        return torch.zeros(0)

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return z, z.new_zeros(z.shape[:-1])

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return y, y.new_zeros(y.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return z.new_zeros(0, *z.shape[:-1])
