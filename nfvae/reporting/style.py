"""What all figures share: colours that survive colour blindness, and the way to a file."""

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nfvae.storage.atomic import write_atomically

DENSITY_MAP = "viridis"
SMALL, NORMAL = 7, 9  # points
ON_DENSITY = "white"  # text over the map's dark end, where densities vanish
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 42 pairs with the colours, for print in grey


def save_png(figure: Figure, path: Path, dpi: int = 90) -> None:
    """Write a figure whole or not at all.

    Raises:
        RunFolderError: it cannot be written.
    """
    _save(figure, path, format="png", dpi=dpi)


def save_pdf(figure: Figure, path: Path) -> None:
    """The same as PDF, without the time of writing, so that equal figures are equal files."""
    _save(figure, path, format="pdf", metadata={"CreationDate": None})


def _save(figure: Figure, path: Path, **how: Any) -> None:
    content = BytesIO()
    figure.savefig(content, **how)
    write_atomically(path, content.getvalue())
