"""KL(q‖p) of a fitted q from p = exp(−U)/Z, estimated in two ways, and log Z.

By samples: KL(q‖p) = E_q[log q + U] + log Z, with a standard error. This needs no inverse and
covers the whole plane. On a grid: ∫ q log(q/p), where the flow's inverse gives log q. The error
comes from the size of the cells and from the mass of q outside the square.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from nfvae.energies.targets import Energy
from nfvae.evaluation.elbo import standard_error
from nfvae.grid import Grid
from nfvae.posterior import FlowPosterior

# Each target of this package has less than 1e-9 of its mass outside this square.
SQUARE = Grid.square(8.0, 400)

CHUNK = 20_000


class Estimate(NamedTuple):
    """A mean over samples and its standard error, in nats."""

    value: float
    standard_error: float


def log_normalizer(energy: Energy, grid: Grid = SQUARE) -> float:
    """log Z = log ∫ exp(−U) by quadrature, in nats."""
    return float(grid.log_integral(-energy(grid.points)))


@torch.no_grad()
def kl_by_samples(
    q: FlowPosterior,
    energy: Energy,
    log_z: float,
    generator: torch.Generator,
    num_samples: int = 200_000,
    on_chunk: Callable[[], None] = lambda: None,
) -> Estimate:
    """E_q[log q + U] + log Z in nats, for one q (batch shape ()).

    Args:
        q: in float64, for accurate sums.
        energy: U.
        log_z: its log-normalizer.
        generator: for q's samples.
        num_samples: rounded up to a multiple of 20,000.
        on_chunk: called before each 20,000 samples; it may raise.
    """
    differences = []
    for _ in range(0, num_samples, CHUNK):
        on_chunk()
        draw = q.draw((CHUNK,), generator)
        differences.append(draw.log_q + energy(draw.z) + log_z)
    difference = torch.cat(differences)
    return Estimate(float(difference.mean()), standard_error(difference))


class GridKl(NamedTuple):
    """KL(q‖p) by quadrature, in nats, and the mass of q that the grid covers."""

    value: float
    mass: float
    """∫ q over the square; not exactly 1, because of the finite cells and of q's tails outside."""


@torch.no_grad()
def kl_on_grid(
    q: FlowPosterior,
    energy: Energy,
    log_z: float,
    grid: Grid = SQUARE,
    on_chunk: Callable[[], None] = lambda: None,
) -> GridKl:
    """∫ q log(q/p) over the grid in nats for one q (batch shape ()), by the flow's inverse.

    `on_chunk` is called before each 20 rows of the grid; it may raise.

    Raises:
        NotInvertibleError: the flow has no inverse that can be computed.
    """
    chunks = []
    for rows in grid.points.split(20):  # small enough to stay in the processor's cache
        on_chunk()
        chunks.append(q.log_prob(rows))
    log_q = torch.cat(chunks)
    log_p = -energy(grid.points) - log_z
    return GridKl(float(grid.kl(log_q, log_p)), float(grid.log_integral(log_q).exp()))
