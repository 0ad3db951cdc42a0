"""The standard normal prior."""

from math import log, pi

import torch
from torch import Tensor

from nfvae.priors.base import Prior, register


@register("standard_normal")
class StandardNormal(Prior):
    """N(0, I) on R^dim.

    Args:
        dim: D.

    >>> StandardNormal(2).log_prob(torch.zeros(2))  # −log 2π
    tensor(-1.8379)
    """

    loc: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(dim), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        return log_standard_normal(z)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(
            num_samples,
            len(self.loc),
            dtype=self.loc.dtype,
            device=self.loc.device,
            generator=generator,
        )


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I): [*, D] -> [*]."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * log(2 * pi))
