"""−log p(x) by importance sampling with the posterior as proposal."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from nfvae.data import Split, batches_in_order
from nfvae.evaluation.elbo import ROWS, standard_error
from nfvae.objective import elbo_terms
from nfvae.vae import VAE

IMAGES = 10  # encoded together; each is then decoded for ROWS // IMAGES samples at a time


@dataclass(frozen=True)
class NllEstimate:
    """Mean over a split in nats per image; `nll_se` is the standard error over images."""

    nll: float
    nll_se: float
    num_importance_samples: int


@torch.inference_mode()
def estimate_nll(
    vae: VAE,
    split: Split,
    num_samples: int,
    generator: torch.Generator,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> NllEstimate:
    """−log p(x) ≈ −log (1/S) Σ_s p(x, z_s)/q(z_s|x), z_s ~ q(·|x), for each image of a split.

    In expectation an upper bound of −log p(x), tighter with S (Burda et al. 2016, theorem 1).

    Args:
        vae: the model.
        split: with settled bits.
        num_samples: S, at least 1.
        generator: on the model's device.
        on_rows: called with the number of decoded rows after each portion.
    """
    nll = torch.cat(
        [
            -log_evidence(vae, x, num_samples, generator, on_rows)
            for x in batches_in_order(split, IMAGES)
        ]
    )
    return NllEstimate(float(nll.mean()), standard_error(nll), num_samples)


def log_evidence(
    vae: VAE,
    x: Tensor,
    num_samples: int,
    generator: torch.Generator,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Tensor:
    """The estimate of log p(x) for images x [B, P], in nats: float64 [B].

    Each image is encoded once; the log of the running sum is kept in float64.
    """
    posterior = vae.posterior(x)
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    portion = max(1, ROWS // len(x))
    for start in range(0, num_samples, portion):
        draw = posterior.draw((min(portion, num_samples - start),), generator)
        log_weight = elbo_terms(vae, x, draw).log_weight.double()
        total = torch.logaddexp(total, log_weight.logsumexp(0))
        on_rows(log_weight.numel())
    return total - log(num_samples)
