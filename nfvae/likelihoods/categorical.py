"""Categorical pixels: a free probability for each of 256 levels."""

import torch
from torch import Tensor

from nfvae.likelihoods.base import Likelihood, register
from nfvae.likelihoods.discretized_logistic import DiscretizedLogistic
from nfvae.likelihoods.levels import NUM_LEVELS, check_levels, level_index, levels_like


@register("categorical")
class Categorical(Likelihood):
    """Levels k/255 with P(k) = softmax(l)_k, where l are the decoder's 256 outputs for a pixel.

    van den Berg et al. (2018) use it for Frey faces. It does not use the order of the levels. x [*,
    C, H, W]; parameters [*, 256·C, H, W]: C channels of l_0, then C of l_1, and so on. log_prob is
    in nats of probability mass.

    >>> logits, x = torch.zeros(256, 2, 2), torch.zeros(1, 2, 2)
    >>> Categorical().log_prob(logits, x)  # 4 log 1/256
    tensor(-22.1807)
    """

    parameters_per_channel = NUM_LEVELS
    accepts = ("levels",)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        logits = self._logits(parameters)
        k = level_index(x).long().expand(*logits.shape[:-4], *x.shape[-3:])
        chosen = logits.gather(-4, k.unsqueeze(-4)).squeeze(-4)
        return (chosen - logits.logsumexp(-4)).sum((-3, -2, -1))

    def mean(self, parameters: Tensor) -> Tensor:
        probabilities = self._logits(parameters).softmax(-4)
        levels = levels_like(probabilities).view(-1, 1, 1, 1)
        return (probabilities * levels).sum(-4)

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        probabilities = self._logits(parameters).softmax(-4).movedim(-4, -1)
        rows = probabilities.reshape(-1, NUM_LEVELS)
        k = torch.multinomial(rows, 1, generator=generator).view(probabilities.shape[:-1])
        drawn: Tensor = levels_like(rows)[k]
        return drawn

    def initial_parameters(self, mean: Tensor) -> Tensor:
        """The initial log-masses of a discretized logistic likelihood."""
        start = DiscretizedLogistic()
        levels = levels_like(mean).view(-1, 1, 1, 1)
        # Every pixel as a separate image: [256, C·H·W] masses.
        parameters = start.initial_parameters(mean.reshape(-1, 1, 1, 1).movedim(0, 1))
        parameters = parameters.movedim(1, 0).unsqueeze(0)
        log_mass = start.log_prob(parameters, levels.unsqueeze(1))
        return log_mass.view(NUM_LEVELS * mean.shape[0], *mean.shape[1:])

    def check(self, x: Tensor) -> None:
        check_levels(x, "categorical")

    def _logits(self, parameters: Tensor) -> Tensor:
        """[*, 256·C, H, W] -> [*, 256, C, H, W]."""
        return torch.unflatten(parameters, -3, (NUM_LEVELS, -1))
