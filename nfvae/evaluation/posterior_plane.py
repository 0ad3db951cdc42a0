"""q(z|x) against the true posterior p(z|x) ∝ p(x|z) N(z; 0, I), where two latents let a grid do it.

The integral of p(x|z) N(z; 0, I) over the plane is p(x) itself, so the grid gives the likelihood
without sampling, and KL(q(z|x) ‖ p(z|x)) = log p(x) − ELBO(x) can be checked term by term.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nfvae.grid import Grid
from nfvae.likelihood import bernoulli_log_likelihood
from nfvae.objective import log_standard_normal
from nfvae.vae import VAE

# N(0, I) has 3e-8 of its mass outside; a coarse look at it finds where a posterior lies.
COARSE = Grid.square(6.0, 240)
NEGLIGIBLE = 15.0  # nats below the top, on the coarse grid
NUM_SAMPLES = 10_000


@dataclass(frozen=True)
class PlanePosterior:
    """One image's two posteriors on a window that holds both.

    Attributes:
        grid: the window.
        log_q: log q(z|x) at its points, [n, n].
        log_p: log p(z|x), normalised over the window, [n, n].
        log_likelihood: log p(x) in nats.
        kl: KL(q(z|x) ‖ p(z|x)) in nats.
        mass: ∫ q over the window: 1 but for the cells' error and q's tails.
    """

    grid: Grid
    log_q: Tensor
    log_p: Tensor
    log_likelihood: float
    kl: float
    mass: float


@torch.inference_mode()
def posterior_on_grid(
    vae: VAE, x: Tensor, generator: torch.Generator, n: int = 200
) -> PlanePosterior:
    """Both posteriors of one image.

    Args:
        vae: two latents, in float64, on the CPU.
        x: bits [P].
        generator: of the samples of q that say where q lies.
        n: cells a side of the window.

    Raises:
        NotInvertibleError: the flow has no inverse that can be computed.
    """
    q = vae.posterior(x)
    grid = _window(_log_joint(vae, x, COARSE.points), q.draw((NUM_SAMPLES,), generator).z, n)
    points = grid.points
    log_joint, log_q = _log_joint(vae, x, points), q.log_prob(points)
    log_likelihood = grid.log_integral(log_joint)
    log_p = log_joint - log_likelihood
    return PlanePosterior(
        grid,
        log_q,
        log_p,
        float(log_likelihood),
        float(grid.kl(log_q, log_p)),
        float(grid.log_integral(log_q).exp()),
    )


def _log_joint(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) + log N(z; 0, I): [P], [n, n, 2] -> [n, n], a row of the grid at a time."""
    return torch.stack(
        [bernoulli_log_likelihood(vae.decode(row), x) + log_standard_normal(row) for row in z]
    )


def _window(log_joint: Tensor, samples: Tensor, n: int) -> Grid:
    """Around all that p(z|x) has on the coarse grid, and around samples of q."""
    held = COARSE.points[log_joint > log_joint.max() - NEGLIGIBLE]
    cell = 2 * COARSE.high[0] / COARSE.n
    around = torch.cat([held - cell, held + cell, samples])
    low, high = around.amin(0), around.amax(0)
    margin = 0.1 * (high - low)
    return Grid(_pair(low - margin), _pair(high + margin), n)


def _pair(point: Tensor) -> tuple[float, float]:
    return float(point[0]), float(point[1])
