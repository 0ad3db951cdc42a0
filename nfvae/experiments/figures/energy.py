"""Targets and the flows fitted to them, as in figure 3 of Rezende & Mohamed 2015."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

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


class Fitted(NamedTuple):
    """A fit to draw."""

    title: str
    q: FlowPosterior
    """In float64, batch shape ()."""
    kl: float
    """KL(q‖p) in nats."""


@torch.no_grad()
def energy_figure(
    fits: Mapping[str, Sequence[Fitted]], on_panel: Callable[[], None] = lambda: None
) -> Figure:
    """One row per energy: the target density, then the density of each fit, in the same colours.

    Args:
        fits: the fits of each energy, by its name; the same number for each.
        on_panel: called before each panel; it may raise.
    """
    rows = []
    for name, row in fits.items():
        energy = ENERGIES[name]
        target = (-energy(WINDOW.points) - log_normalizer(energy)).exp()
        panels = [Panel(f"target {name}", target, WINDOW, float(target.max()))]
        for title, q, kl in row:
            on_panel()
            density = density_of(q, WINDOW)
            panels.append(Panel(f"{title}\nKL {kl:.3f}", density, WINDOW, panels[0].peak))
        rows.append(panels)
    return density_figure(rows)


def density_of(q: FlowPosterior, grid: Grid, num_samples: int = 2_000_000) -> Tensor:
    """q at a grid's points [n, n]: by the flow's inverse or, if it has none, from samples."""
    try:
        return q.log_prob(grid.points).exp()
    except NotInvertibleError:
        generator, chunk = torch.Generator().manual_seed(0), 20_000
        x0, x1, y0, y1 = grid.extent
        counts = torch.zeros(grid.n, grid.n, dtype=torch.float64)
        for _ in range(0, num_samples, chunk):
            yx = q.draw((chunk,), generator).z.flip(-1)  # the grid's first axis is y
            counts += torch.histogramdd(yx, [grid.n, grid.n], range=[y0, y1, x0, x1]).hist
        return counts / num_samples / torch.tensor(grid.log_cell).exp()
