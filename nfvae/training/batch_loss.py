"""The part of an update that is differentiated, as a module."""

import torch
from torch import Tensor, nn

from nfvae.objective import ElboTerms, Objective, elbo_terms
from nfvae.precision import Precision, products_in
from nfvae.vae import VAE

TERMS = ("loss", "neg_elbo", "distortion", "kl", "log_q0", "log_prior", "log_det")


class BatchLoss(nn.Module):
    """The loss of a batch, and the terms of the bound averaged over it.

    A module of its own, because torch.compile and DistributedDataParallel take modules.

    Args:
        vae: the model.
        objective: the bound.
        precision: of encoder and decoder, see `nfvae.precision.Precision`.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> loss = BatchLoss(vae, Objective())
    >>> value, means = loss(torch.zeros(5, 1, 28, 28), torch.randn(1, 5, 2), torch.tensor(1.0))
    >>> value.shape, len(means) == len(TERMS)
    (torch.Size([]), True)
    """

    def __init__(self, vae: VAE, objective: Objective, precision: Precision = "float32") -> None:
        super().__init__()
        self.vae = vae
        self.objective = objective
        self.precision = precision

    def forward(self, x: Tensor, noise: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (a scalar), and `TERMS` without gradient, in nats per image.

        Args:
            x: images, [B, C, H, W].
            noise: standard normal, [S, B, D].
            weight: the objective's weight at this step, a scalar.
        """
        with products_in(self.precision, x.device.type):
            draw = self.vae.posterior(x, validate_args=False).from_noise(noise)
            terms = elbo_terms(self.vae, x, draw)
        loss = self.objective.weighted_loss(terms, weight)
        means = ElboTerms(*torch.stack(terms).detach().flatten(1).mean(1).unbind())
        log_likelihood, log_prior, log_q0, log_det = means
        values = [-means.log_weight, -log_likelihood, means.kl, log_q0, log_prior, log_det]
        return loss, torch.stack([loss.detach(), *values])
