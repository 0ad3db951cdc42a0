"""What all figures share: one colour map that survives grey print and colour blindness, PNG out."""

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from nfvae.storage.atomic import write_atomically

DENSITY_MAP = "viridis"
SMALL, NORMAL = 7, 9  # points
ON_DENSITY = "white"  # text over the map's dark end, where densities vanish


def save_png(figure: Figure, path: Path, dpi: int = 90) -> None:
    """Write a figure whole or not at all.

    Raises:
        RunFolderError: it cannot be written.
    """
    content = BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    write_atomically(path, content.getvalue())
