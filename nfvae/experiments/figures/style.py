"""The common style of all figures: colours for colour-blind readers, axes, and writing to files.

The colours are constants, because the report replaces each of them on dark screens.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nfvae.experiments.storage.atomic import write_atomically

DENSITY_MAP = "viridis"
SMALL, NORMAL = 7, 9  # points
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito
INK, QUIET, GRID = "#24292f", "#57606a", "#d8dee4"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 42 pairs with the colours, readable in grey

# Ten colours of Petroff (2021), distinct for colour-blind readers.
DIGITS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

# For ordered values: one hue, from light to dark.
SEQUENCE = ("#8ec1e8", "#5ba3d9", "#2f83c2", "#1864a3", "#0b4a80", "#06335c")


def panel(x: str, y: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes in the common style; readable at the width of a phone."""
    figure = Figure(figsize=(4.2, 2.9), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, x, y)
    return figure, axes


def ordered_colours(count: int) -> list[str]:
    """`count` colours from light to dark; the last one repeats if there are not enough."""
    last = len(SEQUENCE) - 1
    gaps = max(1, min(count - 1, last))
    return [SEQUENCE[min(last, (i * last + gaps - 1) // gaps)] for i in range(count)]


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
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(QUIET)


def pixels(figure: Figure, dpi: int = 110) -> npt.NDArray[np.uint8]:
    """A figure as an image: [H, W, 3]."""
    content = BytesIO()
    figure.savefig(content, format="rgba", dpi=dpi)
    width, height = (int(inches * dpi) for inches in figure.get_size_inches())
    return np.frombuffer(content.getvalue(), np.uint8).reshape(height, width, 4)[..., :3].copy()


def save_png(figure: Figure, path: Path, dpi: int = 90) -> None:
    """Write a figure atomically; raises RunFolderError if it cannot be written."""
    _save(figure, path, format="png", dpi=dpi)


def save_pdf(figure: Figure, path: Path) -> None:
    """Write a figure as PDF, without the time, so that equal figures give equal files."""
    _save(figure, path, format="pdf", metadata={"CreationDate": None})


def _save(figure: Figure, path: Path, **options: Any) -> None:
    content = BytesIO()
    figure.savefig(content, **options)
    write_atomically(path, content.getvalue())
