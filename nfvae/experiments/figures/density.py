"""Densities on the plane, in rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from nfvae.experiments.figures.style import DENSITY_MAP, NORMAL
from nfvae.grid import Grid


@dataclass(frozen=True)
class Panel:
    """One density to draw.

    Attributes:
        title: above the panel, for example the model and its KL.
        density: [n, n] at the grid's points, first axis upwards.
        grid: the points.
        peak: density at the upper end of the colour map; the same for panels to compare.
    """

    title: str
    density: Tensor
    grid: Grid
    peak: float


def density_figure(
    rows: Sequence[Sequence[Panel | Tensor]], *, shared_window: bool = True
) -> Figure:
    """Rows and columns of panels. In each, z1 points right and z2 up, on equal scales.

    Args:
        rows: panels, all rows of the same length. A Tensor [h, w] of values in [0, 1] is drawn as
            an image, with 1 black.
        shared_window: whether all panels show the same part of the plane; if so, only the left
            and the bottom axes have numbers.
    """
    height, width = len(rows), len(rows[0])
    figure = Figure(figsize=(1.7 * width + 0.5, 2.0 * height + 0.3), layout="constrained")
    axes = figure.subplots(height, width, squeeze=False)
    for i, row in enumerate(rows):
        first = next(j for j, panel in enumerate(row) if isinstance(panel, Panel))
        for j, panel in enumerate(row):
            axis = axes[i, j]
            if not isinstance(panel, Panel):
                axis.imshow((1 - panel).numpy(), cmap="gray", vmin=0, vmax=1)
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
        cmap=DENSITY_MAP,
        vmin=0,
        vmax=panel.peak,
        interpolation="bilinear",
        aspect="equal",
    )
    axis.set_title(panel.title, fontsize=NORMAL)
    axis.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
    axis.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
    axis.tick_params(labelsize=NORMAL - 1, length=2)
