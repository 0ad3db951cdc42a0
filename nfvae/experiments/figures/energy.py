"""Targets beside the flows fitted to them, as in figure 3 of Rezende & Mohamed 2015."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.energies import ENERGIES
from nfvae.energies.kl import log_normalizer
from nfvae.energies.targets import BOX
from nfvae.errors import NotInvertibleError
from nfvae.experiments.figures.density import Panel, density_figure
from nfvae.grid import Grid
from nfvae.posterior import FlowPosterior

WINDOW = Grid.square(BOX, 160)


@torch.no_grad()
def energy_figure(
    fits: Mapping[str, Sequence[tuple[FlowPosterior, float]]], titles: Sequence[str]
) -> Figure:
    """One row per energy: the target density, then the density and KL of each fit.

    The panels of a row share their colours.

    Args:
        fits: name of the energy -> (q in float64, KL(q‖p) in nats) for each title.
        titles: of the columns with fits.
    """
    rows = []
    for name, row in fits.items():
        energy = ENERGIES[name]
        target = (-energy(WINDOW.points) - log_normalizer(energy)).exp()
        peak = float(target.max())
        panels = [Panel(density_of(q, WINDOW), WINDOW, peak, f"KL {kl:.2f}") for q, kl in row]
        rows.append([Panel(target, WINDOW, peak), *panels])
    return density_figure(rows, ["target", *titles], list(fits))


def density_of(q: FlowPosterior, grid: Grid, num_samples: int = 2_000_000) -> Tensor:
    """q at a grid's points [n, n], by the flow's inverse or, if it has none, from samples."""
    try:
        return q.log_prob(grid.points).exp()
    except NotInvertibleError:
        return _histogram(q, grid, num_samples)


def _histogram(q: FlowPosterior, grid: Grid, num_samples: int) -> Tensor:
    chunk = 20_000
    corner, size = torch.tensor(grid.low), torch.tensor(grid.high) - torch.tensor(grid.low)
    counts = torch.zeros(grid.n * grid.n, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(0, num_samples, chunk):
        cell = ((q.draw((chunk,), generator).z - corner) / size * grid.n).floor().long()
        cell = cell[((cell >= 0) & (cell < grid.n)).all(-1)]
        counts += torch.bincount(cell[:, 1] * grid.n + cell[:, 0], minlength=len(counts))
    density = counts / num_samples / torch.tensor(grid.log_cell).exp()
    return density.view(grid.n, grid.n)
