"""A learned prior: a mixture of Gaussians."""

from math import log
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from nfvae.priors.base import Prior, register
from nfvae.priors.standard_normal import log_standard_normal

SPREAD = 0.5  # initial standard deviation of the means


@register("gaussian_mixture")
class GaussianMixture(Prior):
    """p(z) = Σ_m π_m N(z; μ_m, diag σ_m²), with π, μ and σ learned.

    Tomczak & Welling (2018) compare this prior with their VampPrior. Initially the weights are
    equal, the means are random with standard deviation ½, and the variances are 1 − ½², so that
    mean and covariance are near those of N(0, I).

    Args:
        dim: D.
        num_components: M.

    >>> prior = GaussianMixture(2, num_components=10)
    >>> prior.log_prob(torch.zeros(5, 2)).shape
    torch.Size([5])
    """

    def __init__(
        self, dim: int, *, num_components: Annotated[int, Ge(1), Le(100_000)] = 50
    ) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(SPREAD * torch.randn(num_components, dim))
        self.log_scale = nn.Parameter(torch.full((num_components, dim), 0.5 * log(1 - SPREAD**2)))

    def log_prob(self, z: Tensor) -> Tensor:
        standardized = (z.unsqueeze(-2) - self.loc) * torch.exp(-self.log_scale)  # [*, M, D]
        log_components = log_standard_normal(standardized) - self.log_scale.sum(-1)
        return (self.logits.log_softmax(-1) + log_components).logsumexp(-1)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        weights = self.logits.softmax(-1)
        index = torch.multinomial(weights, num_samples, replacement=True, generator=generator)
        loc, scale = self.loc[index], self.log_scale.exp()[index]
        noise = torch.randn(loc.shape, dtype=loc.dtype, device=loc.device, generator=generator)
        return torch.addcmul(loc, scale, noise)
