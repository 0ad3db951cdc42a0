"""Gaussian pixels: a density of reals, or a bound on the probability of levels."""

from math import log, pi
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nfvae.likelihoods.base import Likelihood, register
from nfvae.likelihoods.levels import SPACING, check_levels, nearest_level
from nfvae.likelihoods.log_scale import INITIAL_LOG_SCALE, floored


@register("gaussian")
class Gaussian(Likelihood):
    """N(x; μ, σ²) for each channel of each pixel.

    With `dequantize`, x are levels k/255 and log_prob bounds the logarithm of the mass of their
    bins of width Δ = 1/255 from below, in nats of probability mass (Theis et al. 2016, section
    3.1):

        log ∫_bin N(y; μ, σ²) dy ≥ log Δ + E_u[log N(x + Δu; μ, σ²)],  u uniform on [−½, ½]
                                 = log N(x; μ, σ²) − Δ²/(24 σ²) − log 255

    The noise is integrated exactly, so no noise is added to x. log 255 is subtracted for each
    channel of each pixel (not log 256, since levels are 1/255 apart). The mass of the Gaussian
    outside the 256 bins is lost, so this remains a lower bound.

    Without `dequantize`, x are reals and log_prob is the log-density, in nats of density with
    respect to x: no noise, no log 255.

    x [*, C, H, W]; parameters [*, C·p, H, W]: μ, then log σ (p = 2), or μ alone (p = 1). A learned
    log σ is bounded below by −7, see `floored`: without a bound, a density could grow without
    limit.

    Args:
        dequantize: x are levels, not reals.
        fixed_std: σ of every pixel, in the unit of x; None: the decoder gives log σ.

    >>> likelihood = Gaussian(dequantize=False, fixed_std=1.0)
    >>> likelihood.log_prob(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))  # −2 log 2π
    tensor(-3.6758)
    """

    def __init__(
        self,
        *,
        dequantize: bool = True,
        fixed_std: Annotated[float, Ge(1e-4), Le(1e4)] | None = None,
    ) -> None:
        super().__init__()
        if fixed_std is not None and not 1e-4 <= fixed_std <= 1e4:
            raise ValueError(f"fixed_std={fixed_std} is not in [1e-4, 1e4]")
        self.dequantize = dequantize
        self.fixed_std = fixed_std
        self.parameters_per_channel = 2 if fixed_std is None else 1
        self.accepts = ("levels" if dequantize else "reals",)
        self.measure = "mass" if dequantize else "density"

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        loc, log_std = self._loc_and_log_std(parameters)
        squares = ((x - loc) * torch.exp(-log_std)).square()
        constant = 0.5 * log(2 * pi)
        if self.dequantize:
            squares = squares + SPACING**2 / 12 * torch.exp(-2 * log_std)
            constant -= log(SPACING)
        return -(0.5 * squares + log_std + constant).sum((-3, -2, -1))

    def mean(self, parameters: Tensor) -> Tensor:
        return self._loc_and_log_std(parameters)[0]

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Samples; with `dequantize`, rounded to the nearest level."""
        loc, log_std = self._loc_and_log_std(parameters)
        noise = torch.randn(loc.shape, dtype=loc.dtype, device=loc.device, generator=generator)
        x = torch.addcmul(loc, noise, log_std.exp())
        return nearest_level(x) if self.dequantize else x

    def initial_parameters(self, mean: Tensor) -> Tensor:
        if self.fixed_std is not None:
            return mean
        return torch.cat([mean, torch.full_like(mean, INITIAL_LOG_SCALE)])

    def check(self, x: Tensor) -> None:
        if self.dequantize:
            check_levels(x, "Gaussian (with dequantize)")
        elif not x.isfinite().all():
            raise ValueError("a Gaussian likelihood needs finite pixels, and these are not")

    def _loc_and_log_std(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        if self.fixed_std is not None:
            return parameters, torch.full_like(parameters, log(self.fixed_std))
        loc, log_std = self.split(parameters)
        return loc, floored(log_std)
