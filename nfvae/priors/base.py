"""The interface of priors p(z).

A prior is registered under a name as a class or function `(dim, *, options…) -> Prior`.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nfvae.registry import Registry


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


PRIORS = Registry("prior")
register = PRIORS.register
