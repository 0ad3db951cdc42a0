"""The evidence lower bound: its terms, their annealing, and the importance-weighted bound."""

from dataclasses import dataclass
from math import log
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from nfvae.posterior import Draw
from nfvae.vae import VAE

AnnealingKind = Literal["none", "energy", "kl"]


class ElboTerms(NamedTuple):
    """The four terms of log p(x, z) − log q(z|x) at samples of q, in nats, each [S, B]."""

    log_likelihood: Tensor
    """log p(x|z_K)."""
    log_prior: Tensor
    """log p(z_K), at the end of the flow."""
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
        """log p(x, z_K) − log q_K(z_K|x), whose mean is the ELBO."""
        return self.log_likelihood + self.log_prior - self.log_q

    @property
    def kl(self) -> Tensor:
        """One-sample estimates of KL(q(z|x) ‖ p(z))."""
        return self.log_q - self.log_prior


def elbo_terms(vae: VAE, x: Tensor, draw: Draw) -> ElboTerms:
    """The bound's terms for images x [B, C, H, W] and samples z [S, B, D] of their posterior.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> x = torch.zeros(5, 1, 28, 28)
    >>> terms = elbo_terms(vae, x, vae.posterior(x).draw((10,)))
    >>> terms.log_likelihood.shape, terms.kl.shape
    (torch.Size([10, 5]), torch.Size([10, 5]))
    """
    return ElboTerms(
        vae.log_likelihood(draw.z, x),
        vae.prior.log_prob(draw.z),
        draw.log_q0,
        draw.log_det,
    )


def elbo(
    vae: VAE, x: Tensor, num_samples: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """One-sample estimates of the ELBO, averaged over samples: [B, C, H, W] -> [B], in nats.

    The estimate is unbiased; its negative mean is a training loss.

    Args:
        vae: the model.
        x: images with values that the likelihood accepts.
        num_samples: samples of q(z|x) per image.
        generator: for the samples; None is torch's global generator.

    Raises:
        ValueError: x has another shape or other values than the model takes, or num_samples < 1.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> elbo(vae, torch.zeros(5, 1, 28, 28), num_samples=10).shape
    torch.Size([5])
    """
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples} must be at least 1")
    draw = vae.posterior(x).draw((num_samples,), generator)
    return elbo_terms(vae, x, draw).log_weight.mean(0)


def importance_weighted(log_weight: Tensor) -> Tensor:
    """log (1/S) Σ_s w_s over the first axis: [S, *] -> [*] (Burda et al. 2016, eq. 8).

    In expectation a lower bound on log p(x), tighter for larger S; with S = 1 it is the ELBO.

    >>> importance_weighted(torch.tensor([[0.0], [log(3)]]))  # log of the mean of 1 and 3
    tensor([0.6931])
    """
    return log_weight.logsumexp(0) - log(log_weight.shape[0])


@dataclass(frozen=True)
class Objective:
    """The objective of training: the ELBO, the importance-weighted bound, or a weighted ELBO.

    With β = `beta`, a_t the annealing factor of step t and λ = `free_bits`, in nats per image:

        none, kl   log p(x|z_K) − a_t β KL,   KL = log q_K(z_K|x) − log p(z_K)
        energy     a_t (log p(x|z_K) + log p(z_K)) − log q_K(z_K|x)

    and with free bits E_B[log p(x|z_K)] − a_t β max(λ, E_B[KL]), where E_B is the mean over a
    batch. With β ≠ 1 or λ > 0 this is not a bound on log p(x), even after annealing. Validation and
    test always measure the ELBO itself.

    Args:
        num_samples: samples of z per image; more than 1 trains the importance-weighted bound.
        annealing: `none`: a_t = 1. `energy`: Rezende & Mohamed 2015, eq. 20; for a_0 = 0 only the
            entropy of q counts at first. `kl`: Sønderby et al. 2016 and van den Berg et al. 2018;
            for a_0 = 0 only the reconstruction counts at first.
        annealing_start: a_0.
        annealing_steps: a_t rises linearly to 1 over this many steps. Rezende & Mohamed 2015 have
            min(1, 0.01 + t/10⁴), nearly the same as the defaults.
        beta: weight of the KL after annealing (β-VAE, Higgins et al. 2017, eq. 4).
        free_bits: λ in nats (Kingma et al. 2016, appendix C.8). The paper has one λ for each of
            several groups of latents. The density of a flow does not factorise over latents, so
            here all D latents are one group: the KL of q(z|x), averaged over the batch, has no
            gradient below λ.

    Raises:
        ValueError: no such annealing, or fewer than one sample.
        ValueError: `beta` or `free_bits` with energy annealing, or `free_bits` with more than one
            sample. These bounds have no separate KL term to weight.

    >>> Objective(annealing="kl", annealing_steps=100, beta=2.0).weight(50)
    1.01
    """

    num_samples: int = 1
    annealing: AnnealingKind = "none"
    annealing_start: float = 0.01
    annealing_steps: int = 10_000
    beta: float = 1.0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        known = get_args(AnnealingKind)
        if self.annealing not in known:
            raise ValueError(f"annealing must be one of {', '.join(known)}, got {self.annealing!r}")
        if self.num_samples < 1:
            raise ValueError(f"num_samples={self.num_samples} must be at least 1")
        if self.annealing == "energy" and not self.is_bound:
            raise ValueError(
                "beta and free_bits weight the KL, which annealing=energy does not; use "
                "annealing=kl or none with them"
            )
        if self.free_bits and self.num_samples > 1:
            raise ValueError(
                f"free_bits={self.free_bits} needs num_samples=1: the importance-weighted bound "
                "has no KL term"
            )

    @property
    def is_bound(self) -> bool:
        """Whether the objective is a bound on log p(x) after annealing."""
        return self.beta == 1 and not self.free_bits

    def annealing_factor(self, step: int) -> float:
        """a_t at a step counted from 0."""
        if self.annealing == "none":
            return 1.0
        return annealing_beta(step, self.annealing_start, self.annealing_steps)

    def weight(self, step: int) -> float:
        """a_t β, the factor of the KL or, with energy annealing, of log p(x, z)."""
        return self.annealing_factor(step) * self.beta

    def loss(self, terms: ElboTerms, step: int) -> Tensor:
        """The loss of a step: minus the objective, averaged over images; nats, scalar."""
        return self.weighted_loss(terms, self.weight(step))

    def weighted_loss(self, terms: ElboTerms, weight: float | Tensor) -> Tensor:
        """The loss with a given a_t β; a tensor may change between calls of compiled code."""
        if self.free_bits:
            kl = terms.kl.mean().clamp(min=self.free_bits)
            return weight * kl - terms.log_likelihood.mean()
        return -importance_weighted(self.annealed_log_weight(terms, weight)).mean()

    def annealed_log_weight(self, terms: ElboTerms, weight: float | Tensor) -> Tensor:
        """The log-weight with its annealed part multiplied by `weight`: [S, B]."""
        if self.annealing == "energy":
            return weight * (terms.log_likelihood + terms.log_prior) - terms.log_q
        return terms.log_likelihood - weight * terms.kl


def annealing_beta(step: int, start: float, steps: int) -> float:
    """a_t at a step counted from 0: linear from `start` to 1 over `steps`, then 1."""
    return 1.0 if step >= steps else start + (1 - start) * step / steps
