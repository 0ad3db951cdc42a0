"""q(z|x) against the true posterior p(z|x) ∝ p(x|z) p(z), by a grid over two latents.

The integral of p(x|z) p(z) over the plane is p(x) itself, so the grid gives the likelihood
without sampling, and KL(q(z|x) ‖ p(z|x)) = log p(x) − ELBO(x) can be checked term by term.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nfvae.grid import Grid
from nfvae.vae import VAE

# The posterior is looked for on a square of this side, in cells of this size. The square is widened
# until p(x, z) is negligible on its rim, since the likelihood may outweigh the prior far out.
CELL, SIDE = 0.05, 12.0
NEGLIGIBLE = 15.0  # nats below the top
NUM_SAMPLES = 10_000


@dataclass(frozen=True)
class PlanePosterior:
    """One image's two posteriors on a window that holds both.

    Attributes:
        grid: the window.
        log_q: log q(z|x) at its points, [n, n].
        log_p: log p(z|x), normalised over the window, [n, n].
        log_evidence: log p(x) in nats.
        kl: KL(q(z|x) ‖ p(z|x)) in nats.
        mass: ∫ q over the window: 1 but for the cells' error and q's tails.
    """

    grid: Grid
    log_q: Tensor
    log_p: Tensor
    log_evidence: float
    kl: float
    mass: float


@torch.inference_mode()
def posterior_on_grid(
    vae: VAE, x: Tensor, generator: torch.Generator, n: int = 200
) -> PlanePosterior:
    """Both posteriors of one image.

    Args:
        vae: two latents, in float64, on the CPU.
        x: the image, [C, H, W].
        generator: of the samples of q that say where q lies.
        n: cells a side of the window.

    Raises:
        NotInvertibleError: the flow has no inverse that can be computed.
    """
    q = vae.posterior(x.unsqueeze(0))
    samples = q.draw((NUM_SAMPLES,), generator).z.squeeze(1)
    grid = _window(torch.cat([_high_density_corners(vae, x), samples]), n)
    points = grid.points
    log_joint, log_q = _log_joint(vae, x, points), q.log_prob(points.unsqueeze(-2)).squeeze(-1)
    log_evidence = grid.log_integral(log_joint)
    log_p = log_joint - log_evidence
    return PlanePosterior(
        grid,
        log_q,
        log_p,
        float(log_evidence),
        float(grid.kl(log_q, log_p)),
        float(grid.log_integral(log_q).exp()),
    )


def _log_joint(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) + log p(z): [C, H, W], [n, n, 2] -> [n, n], one row of the grid at a time."""
    return torch.stack([vae.log_likelihood(row, x) + vae.prior.log_prob(row) for row in z])


def _high_density_corners(vae: VAE, x: Tensor, side: float = SIDE) -> Tensor:
    """Corners of the cells that hold all but a negligible part of p(z|x): [N, 2]."""
    coarse = Grid.square(side / 2, round(side / CELL))
    log_joint = _log_joint(vae, x, coarse.points)
    is_high = log_joint > log_joint.max() - NEGLIGIBLE
    on_rim = torch.cat([is_high[[0, -1]].flatten(), is_high[:, [0, -1]].flatten()])
    if on_rim.any():
        return _high_density_corners(vae, x, 2 * side)
    centres = coarse.points[is_high]
    return torch.cat([centres - CELL, centres + CELL])


def _window(points: Tensor, n: int) -> Grid:
    """Around points, with a margin."""
    low, high = points.amin(0), points.amax(0)
    margin = 0.1 * (high - low)
    return Grid(_pair(low - margin), _pair(high + margin), n)


def _pair(point: Tensor) -> tuple[float, float]:
    return float(point[0]), float(point[1])
