"""The common style of all figures: colours for colour-blind readers, axes, and writing to files."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from nfvae.experiments.storage.atomic import write_atomically

SMALL, NORMAL = 7, 9  # points
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito
INK, QUIET, GRID = "#24292f", "#57606a", "#d8dee4"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 42 pairs with the colours, readable in grey


def panel(x: str, y: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes in the common style; readable at the width of a phone."""
    figure = Figure(figsize=(4.2, 2.9), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, x, y)
    return figure, axes


def ordered_colours(count: int) -> list[str]:
    """`count` blues from light to dark."""
    return [to_hex(colour) for colour in colormaps["Blues"](np.linspace(0.45, 1, count))]


def legend(axes: Axes) -> None:
    """A legend without a box, in the common style."""
    axes.legend(frameon=False, fontsize=NORMAL - 1, labelcolor=INK)


def style_axes(axes: Axes, x: str, y: str) -> None:
    """Set the labels, the frame, and a grid behind the data."""
    axes.set_xlabel(x, fontsize=NORMAL, color=INK)
    axes.set_ylabel(y, fontsize=NORMAL, color=INK)
    axes.tick_params(labelsize=NORMAL - 1, color=QUIET, labelcolor=QUIET, length=3)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)


def pixels(figure: Figure, dpi: int = 110) -> npt.NDArray[np.uint8]:
    """A figure as an image: [H, W, 3]."""
    content = BytesIO()
    figure.savefig(content, format="rgba", dpi=dpi)
    width, height = (int(inches * dpi) for inches in figure.get_size_inches())
    return np.frombuffer(content.getvalue(), np.uint8).reshape(height, width, 4)[..., :3].copy()


def save_png(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure atomically; raises RunFolderError if it cannot be written."""
    _save(figure, path, format="png", dpi=dpi)


def save_pdf(figure: Figure, path: Path) -> None:
    """Write a figure as PDF, without the time, so that equal figures give equal files."""
    _save(figure, path, format="pdf", metadata={"CreationDate": None})


def _save(figure: Figure, path: Path, **options: Any) -> None:
    content = BytesIO()
    figure.savefig(content, **options)
    write_atomically(path, content.getvalue())
