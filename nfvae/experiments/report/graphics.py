"""Figures and pictures as parts of a self-contained page: SVG or PNG in data URLs."""

import base64
from dataclasses import dataclass
from io import BytesIO

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image


@dataclass(frozen=True)
class Graphic:
    """A figure or picture."""

    url: str
    caption: str
    kind: str
    """A CSS class: figure, or photo for a picture that keeps its colours on dark screens."""
    wide: bool = False


def vector(figure: Figure, caption: str, *, wide: bool = False) -> Graphic:
    """A figure as SVG; equal figures give equal bytes."""
    out = BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nfvae"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Graphic(_url("image/svg+xml", out), caption, "figure", wide)


def picture(pixels: npt.NDArray[np.uint8], caption: str, *, keep_colours: bool) -> Graphic:
    """An image, [H, W] or [H, W, 3], as PNG."""
    out = BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", optimize=True)
    return Graphic(_url("image/png", out), caption, "photo" if keep_colours else "figure")


def _url(media_type: str, content: BytesIO) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content.getvalue()).decode()}"
