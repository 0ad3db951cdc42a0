"""Continuous Bernoulli pixels: a density on [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nfvae.likelihoods.base import Likelihood, register

EDGE = 0.05  # an initial mean closer to 0 or 1 would almost exclude the other half of [0, 1]


@register("continuous_bernoulli")
class ContinuousBernoulli(Likelihood):
    """p(x) ∝ λˣ (1 − λ)¹⁻ˣ on [0, 1], with λ = σ(l) and l the decoder's output.

    Loaiza-Ganem & Cunningham (2019), whose normalizer C(λ) = 2 tanh⁻¹(1 − 2λ)/(1 − 2λ) is 0/0 at
    λ = ½. In l the same density is

        log p(x) = l (x − ½) − g(l/2),         g(h) = log(sinh(h)/h), a power series near l = 0
                 = −l (1 − x) + log(l/(1 − e⁻ˡ))      for l > 0, without cancellation for large l

    For l < 0, x replaces 1 − x and −l replaces l.

    x [*, C, H, W]: reals in [0, 1], or levels k/255, which are taken as reals without added noise,
    as in the paper; parameters [*, C, H, W]. log_prob is in nats of density with respect to x.

    >>> x = torch.full((1, 2, 2), 0.25)
    >>> ContinuousBernoulli().log_prob(torch.zeros(1, 2, 2), x)  # uniform on [0, 1]
    tensor(0.)
    """

    parameters_per_channel = 1
    accepts = ("reals", "levels")
    measure = "density"

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        is_small = parameters.abs() < 2 * SERIES
        near = torch.where(is_small, parameters, 0.0)
        far = torch.where(is_small, 1.0, parameters)
        rate = far.abs()
        distance = torch.where(far > 0, 1 - x, x)
        log_density = torch.where(
            is_small,
            near * (x - 0.5) - _log_sinhc(0.5 * near),
            rate.log() - torch.log(-torch.expm1(-rate)) - rate * distance,
        )
        return log_density.sum((-3, -2, -1))

    def mean(self, parameters: Tensor) -> Tensor:
        """½ + ½ (coth h − 1/h), h = l/2."""
        return 0.5 + 0.5 * _langevin(0.5 * parameters)

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Samples, by the inverse distribution function log(1 + u (eˡ − 1))/l."""
        u = torch.rand(
            parameters.shape,
            dtype=parameters.dtype,
            device=parameters.device,
            generator=generator,
        )
        negative = -parameters.abs()  # x of l is 1 − x of −l, and the exponential cannot overflow
        is_small = negative > -1e-3
        safe = torch.where(is_small, -1.0, negative)
        x = torch.where(
            is_small,
            u + 0.5 * negative * u * (1 - u),  # to first order in l
            torch.log1p(u * torch.expm1(safe)) / safe,
        ).clamp(0, 1)
        return torch.where(parameters > 0, 1 - x, x)

    def initial_parameters(self, mean: Tensor) -> Tensor:
        """The l with this mean, clipped to [0.05, 0.95]; found by bisection."""
        wanted = mean.double().clamp(EDGE, 1 - EDGE)
        low, high = torch.full_like(wanted, -50.0), torch.full_like(wanted, 50.0)
        for _ in range(60):
            middle = 0.5 * (low + high)
            is_above = self.mean(middle) > wanted
            low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
        return (0.5 * (low + high)).to(mean.dtype)

    def check(self, x: Tensor) -> None:
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                "a continuous Bernoulli likelihood needs pixels in [0, 1], and these are not; "
                "rescale the images"
            )


SERIES = 0.3  # below it, six terms of the series are exact to 1e-15
_LOG_SINHC = (1 / 6, -1 / 180, 1 / 2835, -1 / 37800, 1 / 467775, -691 / 3831077250)


def _log_sinhc(h: Tensor) -> Tensor:
    """log(sinh(h)/h) for |h| < 0.3: [*] -> [*]."""
    return _odd_series(h, _LOG_SINHC) * h


def _langevin(h: Tensor) -> Tensor:
    """coth(h) − 1/h, the derivative of log(sinh(h)/h): [*] -> [*]."""
    is_small = h.abs() < SERIES
    near, far = torch.where(is_small, h, 0.0), torch.where(is_small, 1.0, h)
    derivative = [2 * k * c for k, c in enumerate(_LOG_SINHC, start=1)]
    return torch.where(is_small, _odd_series(near, derivative), 1 / far.tanh() - 1 / far)


def _odd_series(h: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Σ_k c_k h²ᵏ⁺¹, k from 0."""
    square, total = h.square(), torch.zeros_like(h)
    for coefficient in reversed(coefficients):
        total = total * square + coefficient
    return total * h
