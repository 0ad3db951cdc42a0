"""q(z|x) and the true posterior p(z|x) ∝ p(x|z) p(z) on a grid, for models with two latents.

The integral of p(x|z) p(z) over the plane is p(x), so the grid gives log p(x) without sampling, and
KL(q(z|x) ‖ p(z|x)) = log p(x) − ELBO(x) can be checked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nfvae.grid import Grid
from nfvae.vae import VAE

# p(z|x) is first located on a square with this side and cells of this size. The side is doubled
# until p(x, z) is negligible at the edge: far from the origin the likelihood can outweigh the
# prior.
CELL, SIDE = 0.1, 12.0
NEGLIGIBLE = 15.0  # nats below the maximum
NUM_SAMPLES = 10_000


@dataclass(frozen=True)
class PlanePosterior:
    """Both posteriors of one image, on a square that contains them.

    Attributes:
        grid: the square.
        log_q: log q(z|x) at its points, [n, n].
        log_p: log p(z|x), normalised over the square, [n, n].
        log_evidence: log p(x) in nats.
        kl: KL(q(z|x) ‖ p(z|x)) in nats.
        mass: ∫ q over the square; not exactly 1, because of the finite cells and of q's tails
            outside.
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
        vae: a model with two latents, in float64, on the CPU.
        x: the image, [C, H, W].
        generator: for the samples of q that locate it.
        n: cells per side of the square.

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
    """log p(x|z) + log p(z): [C, H, W], [n, n, 2] -> [n, n]; decodes one row at a time."""
    return torch.stack([vae.log_likelihood(row, x) + vae.prior.log_prob(row) for row in z])


def _high_density_corners(vae: VAE, x: Tensor, side: float = SIDE) -> Tensor:
    """Corners of all cells where p(z|x) is not negligible: [N, 2]."""
    coarse = Grid.square(side / 2, round(side / CELL))
    log_joint = _log_joint(vae, x, coarse.points)
    is_high = log_joint > log_joint.max() - NEGLIGIBLE
    at_edge = torch.cat([is_high[[0, -1]].flatten(), is_high[:, [0, -1]].flatten()])
    if at_edge.any():
        return _high_density_corners(vae, x, 2 * side)
    centres = coarse.points[is_high]
    return torch.cat([centres - CELL, centres + CELL])


def _window(points: Tensor, n: int) -> Grid:
    """The square around all points, with a margin."""
    low, high = points.amin(0), points.amax(0)
    centre, half_side = (low + high) / 2, 0.6 * (high - low).max()
    return Grid(_pair(centre - half_side), _pair(centre + half_side), n)


def _pair(point: Tensor) -> tuple[float, float]:
    return float(point[0]), float(point[1])
