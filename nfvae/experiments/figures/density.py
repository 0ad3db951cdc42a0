"""Densities on the plane, in rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from nfvae.evaluation.posterior_plane import PlanePosterior
from nfvae.experiments.figures.style import NORMAL
from nfvae.grid import Grid

Pixels = npt.NDArray[np.uint8]  # an image: [H, W] or [H, W, 3]


@dataclass(frozen=True)
class Panel:
    """One density to draw."""

    title: str
    density: Tensor
    """[n, n] at the grid's points, first axis upwards."""
    grid: Grid
    peak: float
    """Density at the upper end of the colour map; the same for panels to compare."""


def posterior_figure(
    images: Sequence[Pixels],
    posteriors: Sequence[Sequence[PlanePosterior]],
    titles: Sequence[str],
) -> Figure:
    """One row per image x: x, then for each model p(z|x) and q(z|x), in the same colours.

    Args:
        images: the images.
        posteriors: for each image, one per model.
        titles: titles of the models.
    """
    rows: list[list[Panel | Pixels]] = []
    for image, row in zip(images, posteriors, strict=True):
        rows.append([image])
        for title, posterior in zip(titles, row, strict=True):
            p, q, grid = posterior.log_p.exp(), posterior.log_q.exp(), posterior.grid
            peak = float(p.max())
            rows[-1] += [
                Panel(f"{title}\np(z|x)", p, grid, peak),
                Panel(f"{title}\nq(z|x), KL {posterior.kl:.2f}", q, grid, peak),
            ]
    return density_figure(rows, shared_window=False)


def density_figure(
    rows: Sequence[Sequence[Panel | Pixels]], *, shared_window: bool = True
) -> Figure:
    """Rows and columns of panels. In each, z1 points right and z2 up, on equal scales.

    Args:
        rows: panels or images, all rows of the same length.
        shared_window: whether all panels show the same part of the plane; if so, only the left
            and the bottom axes have numbers.
    """
    height, width = len(rows), len(rows[0])
    figure = Figure(figsize=(1.7 * width + 0.5, 2.0 * height + 0.3), layout="constrained")
    axes = figure.subplots(height, width, squeeze=False)
    first = next(j for j, panel in enumerate(rows[0]) if isinstance(panel, Panel))
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            axis = axes[i, j]
            if not isinstance(panel, Panel):
                axis.imshow(panel, cmap="gray", vmin=0, vmax=255)
                axis.set(xticks=[], yticks=[])
                continue
            _draw(axis, panel)
            if shared_window:
                axis.tick_params(labelbottom=i == height - 1, labelleft=j == 0)
            if i == height - 1:
                axis.set_xlabel("$z_1$", fontsize=NORMAL)
            if j == first:
                axis.set_ylabel("$z_2$", fontsize=NORMAL, rotation=0)
    return figure


def _draw(axis: Axes, panel: Panel) -> None:
    axis.imshow(
        panel.density.numpy(),
        origin="lower",
        extent=panel.grid.extent,
        cmap="viridis",
        vmin=0,
        vmax=panel.peak,
        interpolation="bilinear",
        aspect="equal",
    )
    axis.set_title(panel.title, fontsize=NORMAL)
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
    axis.tick_params(labelsize=NORMAL - 1, length=2)
