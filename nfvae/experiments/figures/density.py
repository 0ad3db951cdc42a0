"""Densities on the plane, arranged in rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from nfvae.experiments.figures.style import DENSITY_MAP, NORMAL, ON_DENSITY, SMALL
from nfvae.grid import Grid


@dataclass(frozen=True)
class Panel:
    """One density to draw.

    Attributes:
        density: [n, n] at the grid's points, first axis upwards.
        grid: the points.
        peak: density at the upper end of the colours; panels to be compared share it.
        caption: text inside the panel, for example its KL.
    """

    density: Tensor
    grid: Grid
    peak: float
    caption: str = ""


def density_figure(
    rows: Sequence[Sequence[Panel | Tensor]],
    columns: Sequence[str],
    row_labels: Sequence[str] = (),
    *,
    shared_window: bool = True,
    panel_inches: float = 1.25,
) -> Figure:
    """Rows and columns of panels. In each panel z1 runs to the right and z2 upwards.

    Args:
        rows: panels, all rows of the same length. A Tensor [h, w] of values in [0, 1] is shown as
            an image, with 1 black.
        columns: titles above the first row.
        row_labels: left of the first column; may be empty.
        shared_window: whether all panels show the same part of the plane; its axes are then marked
            at the left and the bottom only.
        panel_inches: width of a panel.
    """
    height, width = len(rows), len(columns)
    figure = Figure(
        figsize=(panel_inches * width + 0.6, panel_inches * height + 0.5), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[union-attr,call-arg]
    axes = figure.subplots(height, width, squeeze=False)
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            axis = axes[i, j]
            if isinstance(panel, Panel):
                _draw(axis, panel)
            else:
                axis.imshow((1 - panel).numpy(), cmap="gray", vmin=0, vmax=1)
                axis.set(xticks=[], yticks=[])
            if shared_window:
                axis.tick_params(labelbottom=i == height - 1, labelleft=j == 0)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=NORMAL)
    for axis, label in zip(axes[:, 0], row_labels, strict=False):
        axis.set_ylabel(label, fontsize=NORMAL, rotation=0, labelpad=12, va="center")
    figure.supxlabel("$z_1$", fontsize=NORMAL)
    figure.supylabel("$z_2$", fontsize=NORMAL, rotation=0)
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
        aspect="auto",
    )
    axis.xaxis.set_major_locator(MaxNLocator(2))
    axis.yaxis.set_major_locator(MaxNLocator(2))
    axis.tick_params(labelsize=SMALL, length=2)
    if panel.caption:
        axis.text(
            0.04, 0.04, panel.caption, transform=axis.transAxes, color=ON_DENSITY, fontsize=SMALL
        )
