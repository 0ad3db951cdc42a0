"""−log p(x) by importance sampling with the posterior as proposal."""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from nfvae.data import Split
from nfvae.evaluation.elbo import rows_at_once, standard_error
from nfvae.evaluation.mode import evaluation_mode
from nfvae.evaluation.threads import Report, Spread, here, map_images
from nfvae.objective import elbo_terms
from nfvae.vae import VAE

MIN_IMAGES = 10  # images encoded together, at least; more if each has few samples


@dataclass(frozen=True)
class NllEstimate:
    """Mean over a split in nats per image; `nll_se` is the standard error over images."""

    nll: float
    nll_se: float
    num_importance_samples: int


def estimate_nll(
    vae: VAE,
    split: Split,
    num_samples: int,
    generator: torch.Generator,
    on_rows: Report = lambda rows: None,
    spread: Spread = here,
) -> NllEstimate:
    """−log p(x) ≈ −log (1/S) Σ_s p(x, z_s)/q(z_s|x), z_s ~ q(·|x), averaged over a split.

    In expectation this is an upper bound on −log p(x), tighter for larger S (Burda et al. 2016,
    theorem 1).

    On a CPU, `torch.get_num_threads()` batches are estimated at the same time; the result does not
    depend on that number.

    Args:
        vae: the model.
        split: not dynamic, on the model's device.
        num_samples: S, at least 1.
        generator: for the samples, on the model's device.
        on_rows: called with the number of decoded samples after each portion.
        spread: distributes the images over processes.

    Raises:
        ValueError: the split is dynamic or does not fit the model, or num_samples < 1.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> split = Split(torch.zeros(20, 1, 28, 28, dtype=torch.uint8))
    >>> estimate_nll(vae, split, num_samples=50, generator=torch.Generator()).num_importance_samples
    50
    """
    vae.check_data(split.image_shape, split.values)
    images = max(MIN_IMAGES, rows_at_once(vae) // max(1, num_samples))

    def estimate(x: Tensor, noise: torch.Generator, report: Report) -> Tensor:
        return -log_evidence(vae, x, num_samples, noise, report)

    with evaluation_mode(vae):
        nlls = map_images(estimate, split, images, generator, on_rows, spread)
    nll = torch.cat(nlls)
    return NllEstimate(float(nll.mean()), standard_error(nll), num_samples)


def nll(
    vae: VAE, x: Tensor, num_samples: int = 500, generator: torch.Generator | None = None
) -> Tensor:
    """−log p(x) of images by importance sampling: [B, C, H, W] -> float64 [B], in nats.

    In expectation this is an upper bound, tighter with more samples. It has no gradient.

    Args:
        vae: the model.
        x: images with values that the likelihood accepts.
        num_samples: S, samples of q(z|x) per image.
        generator: for the samples; None is torch's global generator.

    Raises:
        ValueError: x has another shape or other values than the model takes, or num_samples < 1.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> nll(vae, torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5])
    """
    vae.check(x)
    with torch.inference_mode(), evaluation_mode(vae):
        return -log_evidence(vae, x, num_samples, generator)


def log_evidence(
    vae: VAE,
    x: Tensor,
    num_samples: int,
    generator: torch.Generator | None,
    on_rows: Report = lambda rows: None,
) -> Tensor:
    """The estimate of log p(x) for images x [B, C, H, W], in nats: float64 [B].

    Each image is encoded once; the log of the running sum is kept in float64. The model should be
    in evaluation mode.

    Raises:
        ValueError: num_samples < 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples} must be at least 1")
    posterior = vae.posterior(x, validate_args=False)
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    portion = max(1, rows_at_once(vae) // max(1, len(x)))
    for start in range(0, num_samples, portion):
        draw = posterior.draw((min(portion, num_samples - start),), generator)
        log_weight = elbo_terms(vae, x, draw).log_weight.double()
        total = torch.logaddexp(total, log_weight.logsumexp(0))
        on_rows(log_weight.numel())
    return total - log(num_samples)
