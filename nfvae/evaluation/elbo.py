"""Estimate −ELBO and its terms, averaged over samples and images, with β = 1."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from nfvae.data import Split
from nfvae.evaluation.activity import ACTIVE, activity, half_means
from nfvae.evaluation.mode import evaluation_mode
from nfvae.evaluation.threads import Report, Spread, here, map_images
from nfvae.objective import elbo_terms
from nfvae.vae import VAE

# Images times samples decoded at once: enough rows for matrix products at full rate, few enough
# that logits and their logarithms stay in the cache.
ROWS = 1000
NUMBERS = 4_000_000  # largest size of the decoder's output: 256 logits per pixel need much memory
# On a GPU the decoder's output may have this share of the memory, since a convolutional decoder
# needs a hundred times as much within, and not more bytes than these, with which it is busy.
GPU_SHARE, GPU_BYTES = 1 / 512, 256_000_000
ACTIVITY_DRAWS = 10  # per image; with fewer, unused units would be counted as active


@dataclass(frozen=True)
class ElboEstimate:
    """Means over a split, in nats per image; `neg_elbo_se` is the standard error over images."""

    neg_elbo: float
    """distortion + kl."""
    neg_elbo_se: float
    distortion: float
    """−E_q[log p(x|z)]."""
    kl: float
    """KL(q(z|x) ‖ p(z))."""
    sum_log_det: float
    """Σ_k log|det| of the flow's transforms."""
    active_units: int
    """Latent units that the model uses, see `nfvae.evaluation.activity`."""


def estimate_elbo(
    vae: VAE,
    split: Split,
    num_samples: int,
    generator: torch.Generator,
    on_rows: Report = lambda rows: None,
    spread: Spread = here,
) -> ElboEstimate:
    """Estimate −ELBO and its terms on a split.

    Active units are counted from the same samples, or from 10 per image if `num_samples` is less.
    The model is in evaluation mode during the estimate. On a CPU, `torch.get_num_threads()` batches
    are estimated at the same time; the result does not depend on that number.

    Args:
        vae: the model.
        split: not dynamic, on the model's device.
        num_samples: samples of q(z|x) per image, at least 1.
        generator: for the samples, on the model's device.
        on_rows: called with the number of decoded samples after each portion.
        spread: distributes the images over processes.

    Raises:
        ValueError: the split is dynamic or does not fit the model, or num_samples < 1.

    >>> from nfvae import VAE, Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=2)
    >>> vae = VAE(encoder, Planar(2, 8), decoder, Bernoulli())
    >>> split = Split(torch.zeros(20, 1, 28, 28, dtype=torch.uint8))
    >>> estimate = estimate_elbo(vae, split, num_samples=10, generator=torch.Generator())
    >>> bool(abs(estimate.neg_elbo - (estimate.distortion + estimate.kl)) < 1e-3)
    True
    """
    vae.check_data(split.image_shape, split.values)
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples} must be at least 1")

    def estimate(x: Tensor, noise: torch.Generator, report: Report) -> tuple[Tensor, Tensor]:
        posterior = vae.posterior(x, validate_args=False)
        draw = posterior.draw((num_samples,), noise)
        terms = elbo_terms(vae, x, draw)
        stacked = torch.stack([-terms.log_weight, -terms.log_likelihood, terms.kl, terms.log_det])
        z = draw.z
        if num_samples < ACTIVITY_DRAWS:  # these are not decoded
            z = posterior.draw((ACTIVITY_DRAWS,), noise).z
        report(num_samples * len(x))
        return stacked.double().mean(1), half_means(z)

    batch_size = max(1, rows_at_once(vae) // num_samples)
    with evaluation_mode(vae):
        estimates = map_images(estimate, split, batch_size, generator, on_rows, spread)
    by_image, halves = zip(*estimates, strict=True)
    means = torch.cat(by_image, dim=1)
    neg_elbo, distortion, kl, log_det = means.mean(1).tolist()
    return ElboEstimate(
        neg_elbo=neg_elbo,
        neg_elbo_se=standard_error(means[0]),
        distortion=distortion,
        kl=kl,
        sum_log_det=log_det,
        active_units=int((activity(torch.cat(halves, dim=1)) > ACTIVE).sum()),
    )


def rows_at_once(vae: VAE) -> int:
    """Number of latents to decode together."""
    per_row = prod(vae.image_shape) * vae.likelihood.parameters_per_channel
    weight = next(vae.parameters())
    if weight.device.type != "cuda":
        return max(1, min(ROWS, NUMBERS // per_row))
    memory = torch.cuda.get_device_properties(weight.device).total_memory
    return max(1, int(min(GPU_BYTES, GPU_SHARE * memory)) // (per_row * weight.itemsize))


def standard_error(values: Tensor) -> float:
    """Standard error of the mean of independent values [N]."""
    return float(values.std() / len(values) ** 0.5)
