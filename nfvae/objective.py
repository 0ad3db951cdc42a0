"""The evidence lower bound: its terms, their annealing, and the importance-weighted bound."""

from math import log
from typing import Literal, NamedTuple

from torch import Tensor

from nfvae.likelihoods.bernoulli import bernoulli_log_likelihood
from nfvae.posterior import Draw, log_standard_normal
from nfvae.vae import VAE

AnnealingKind = Literal["none", "energy", "kl"]


class ElboTerms(NamedTuple):
    """The four terms of log p(x, z) − log q(z|x) at samples of q, in nats, each [S, B]."""

    log_likelihood: Tensor
    """log p(x|z_K)."""
    log_prior: Tensor
    """log p(z_K), standard normal, at the end of the flow."""
    log_q0: Tensor
    """log q0(z_0|x)."""
    log_det: Tensor
    """Σ_k log|det ∂f_k/∂z_{k−1}|."""

    @property
    def log_q(self) -> Tensor:
        """log q_K(z_K|x)."""
        return self.log_q0 - self.log_det

    @property
    def log_weight(self) -> Tensor:
        """log p(x, z_K) − log q_K(z_K|x): its mean is the ELBO."""
        return self.log_likelihood + self.log_prior - self.log_q

    @property
    def kl(self) -> Tensor:
        """One-sample estimates of KL(q(z|x) ‖ p(z))."""
        return self.log_q - self.log_prior


def elbo_terms(vae: VAE, x: Tensor, draw: Draw) -> ElboTerms:
    """The bound's terms for images x [B, P] and samples z [S, B, D] drawn from their posterior."""
    return ElboTerms(
        bernoulli_log_likelihood(vae.decode(draw.z), x),
        log_standard_normal(draw.z),
        draw.log_q0,
        draw.log_det,
    )


def annealed_log_weight(terms: ElboTerms, beta: float, kind: AnnealingKind) -> Tensor:
    """The log-weight with part of it multiplied by β in [0, 1]; [S, B]. β = 1 leaves it as it is.

    `energy`: β log p(x, z_K) − log q_K (Rezende & Mohamed 2015, eq. 20): starts at entropy alone.
    `kl`: log p(x|z_K) − β KL (Sønderby et al. 2016; van den Berg et al. 2018): starts at
    reconstruction alone.
    """
    if kind == "energy":
        return beta * (terms.log_likelihood + terms.log_prior) - terms.log_q
    return terms.log_likelihood - beta * terms.kl


def importance_weighted(log_weight: Tensor) -> Tensor:
    """log (1/S) Σ_s w_s over the first axis: [S, *] -> [*] (Burda et al. 2016, eq. 8).

    A lower bound of log p(x) in expectation, tighter with S; with S = 1 it is the ELBO.
    """
    return log_weight.logsumexp(0) - log(log_weight.shape[0])


def annealing_beta(step: int, start: float, steps: int) -> float:
    """β at a step counted from 0: linear from `start` to 1 over `steps`, then 1.

    Rezende & Mohamed 2015 have min(1, 0.01 + t/10⁴): nearly start = 0.01, steps = 10,000.
    """
    return 1.0 if step >= steps else start + (1 - start) * step / steps
