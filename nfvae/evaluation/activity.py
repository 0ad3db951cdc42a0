"""Which latent units a model uses: Var_x E_q[z|x] (Burda et al. 2016, section 5.2).

The variance is estimated as the covariance of two halves of S draws, so that the noise of E_q
cancels. For an unused unit, q = N(0, 1), the estimate has mean zero and standard deviation
2 / (S √N) over N images: S √N must be well above 200 to keep it below the threshold.
"""

import torch
from torch import Tensor

from nfvae.evaluation.mode import evaluation_mode
from nfvae.vae import VAE

ACTIVE = 0.01  # units with a larger variance are active


def half_means(z: Tensor) -> Tensor:
    """Means of every other draw and of the rest: [S, B, D] -> float64 [2, B, D], S ≥ 2."""
    return torch.stack([z[0::2].mean(0), z[1::2].mean(0)]).double()


def activity(halves: Tensor) -> Tensor:
    """Var_x E[z|x] of each unit from `half_means` of all images: [2, N, D] -> [D]."""
    a, b = halves - halves.mean(1, keepdim=True)
    covariance: Tensor = (a * b).sum(0) / (len(a) - 1)
    return covariance


@torch.inference_mode()
def unit_activity(vae: VAE, x: Tensor, generator: torch.Generator, num_samples: int = 64) -> Tensor:
    """Var_x E[z|x] of each unit over images x [B, C, H, W]: float64 [D]."""
    with evaluation_mode(vae):
        z = vae.posterior(x, validate_args=False).draw((num_samples,), generator).z
    return activity(half_means(z))
