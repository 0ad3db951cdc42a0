"""Discretized logistic pixels: probabilities of 256 ordered levels."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from nfvae.likelihoods.base import Likelihood, register
from nfvae.likelihoods.levels import check_levels, level_index
from nfvae.likelihoods.log_scale import INITIAL_LOG_SCALE, floored


@register("discretized_logistic")
class DiscretizedLogistic(Likelihood):
    """Levels k/255 with the masses that a logistic distribution gives their bins.

        P(k) = σ((k + ½ − 255 μ) / 255 s) − σ((k − ½ − 255 μ) / 255 s)

    The bins of k = 0 and k = 255 extend to −∞ and +∞ (Kingma et al. 2016;
    Salimans et al. 2017, section 2.1, with one component). The location μ and the scale s are in
    the unit of x, in which levels are 1/255 apart. log s is bounded below by −7, see `floored`.

    x [*, C, H, W]; parameters [*, C·p, H, W]: μ, then log s (p = 2), or μ alone (p = 1). log_prob
    is in nats of probability mass.

    Args:
        scale: `pixel`: the decoder gives log s for each channel of each pixel; `shared`: one
            learned log s for all.

    >>> likelihood = DiscretizedLogistic()
    >>> x, parameters = torch.zeros(1, 2, 2), torch.zeros(2, 2, 2)
    >>> likelihood.log_prob(parameters, x)  # 4 log σ(½ / 255 s) with s = 1.0009
    tensor(-2.7687)
    """

    parameters_per_channel = 2
    accepts = ("levels",)

    def __init__(self, *, scale: Literal["pixel", "shared"] = "pixel") -> None:
        super().__init__()
        if scale not in ("pixel", "shared"):
            raise ValueError(f"scale={scale!r} is unknown; allowed: pixel, shared")
        self.shared_log_scale: nn.Parameter | None = None
        if scale == "shared":
            self.parameters_per_channel = 1
            self.shared_log_scale = nn.Parameter(torch.tensor(INITIAL_LOG_SCALE))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        loc, scale = self._loc_and_scale(parameters)
        k = level_index(x)
        log_above = logsigmoid((k + 0.5 - loc) / scale)  # log P(≤ k)
        log_below = logsigmoid((loc - k + 0.5) / scale)  # log P(≥ k)
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − exp(a − b)) has no cancellation; b − a = 1/scale.
        inner = log_above + log_below + torch.log(-torch.expm1(-1 / scale))
        log_mass = torch.where(k == 0, log_above, torch.where(k == 255, log_below, inner))
        return log_mass.sum((-3, -2, -1))

    def mean(self, parameters: Tensor) -> Tensor:
        loc, scale = self._loc_and_scale(parameters)
        total = torch.zeros_like(loc)
        for k in range(255):  # E[k] = Σ_k P(> k); one edge at a time needs little memory
            total += torch.sigmoid((loc - k - 0.5) / scale)
        return total / 255

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        loc, scale = self._loc_and_scale(parameters)
        u = torch.rand(loc.shape, dtype=loc.dtype, device=loc.device, generator=generator)
        return (loc + scale * u.logit()).round().clamp(0, 255) / 255

    def initial_parameters(self, mean: Tensor) -> Tensor:
        if self.shared_log_scale is not None:
            return mean
        return torch.cat([mean, torch.full_like(mean, INITIAL_LOG_SCALE)])

    def check(self, x: Tensor) -> None:
        check_levels(x, "discretized logistic")

    def _loc_and_scale(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """255 μ and 255 s: in this unit neighbouring bins share their edge exactly."""
        if self.shared_log_scale is not None:
            return 255 * parameters, 255 * floored(self.shared_log_scale).exp()
        loc, log_scale = self.split(parameters)
        return 255 * loc, 255 * floored(log_scale).exp()
