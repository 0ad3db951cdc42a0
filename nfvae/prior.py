"""Priors p(z)."""

from abc import ABC, abstractmethod
from math import log, pi

import torch
from torch import Tensor, nn


class Prior(nn.Module, ABC):
    """p(z) on R^D. Its parameters, if it has any, are trained with the decoder's.

    >>> class Wide(Prior):
    ...     def log_prob(self, z):
    ...         return torch.distributions.Normal(0.0, 3.0).log_prob(z).sum(-1)
    ...
    ...     def sample(self, num_samples, generator=None):
    ...         return 3 * torch.randn(num_samples, 2, generator=generator)
    >>> Wide().log_prob(Wide().sample(5)).shape
    torch.Size([5])
    """

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: [*, D] -> [*]."""

    @abstractmethod
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """z ~ p(z): [num_samples, D]."""


class StandardNormal(Prior):
    """N(0, I) on R^dim.

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
