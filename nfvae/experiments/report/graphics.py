"""Figures and pictures as parts of a self-contained page.

A figure becomes inline SVG. Its colours are CSS variables, so that they change with the page
between light screens, dark screens and paper. A picture becomes a PNG in a data URL.
"""

import base64
import re
from dataclasses import dataclass
from io import BytesIO, StringIO

import matplotlib
import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from PIL import Image

# Each colour of the figures on white, and its replacement on dark screens.
DARK = {
    "#000000": "#e6edf3",
    "#24292f": "#e6edf3",
    "#262626": "#e6edf3",
    "#4c4c4c": "#b1bac4",
    "#57606a": "#9ea7b3",
    "#d8dee4": "#30363d",
    "#ebebeb": "#2b3138",
    "#0072b2": "#4aa8e8",
    "#d55e00": "#ff8a3d",
    "#009e73": "#2fc79a",
    "#cc79a7": "#e39cc4",
    "#e69f00": "#f0b429",
    "#56b4e9": "#8ecbf5",
    "#8ec1e8": "#2c5d8a",
    "#5ba3d9": "#3a78b0",
    "#2f83c2": "#5297d2",
    "#1864a3": "#78b4e6",
    "#0b4a80": "#a3cff2",
    "#06335c": "#d2e8fa",
    "#bd1f01": "#e8573c",
    "#832db6": "#b573de",
    "#717581": "#9a9eaa",
}

# (pattern, replacement) that remove what only an SVG file needs: size, namespaces, comments, names
# of groups, and fonts, which would override those of the page.
_FOR_HTML = (
    (r'<svg [^>]*(viewBox="[^"]*")[^>]*>', r"<svg \1>"),
    (r"<metadata>.*?</metadata>\s*", ""),
    (r"<!--.*?-->\s*", ""),
    (r"<defs>\s*<style.*?</style>\s*</defs>\s*", ""),
    (r'<g id="[^"]*">', "<g>"),
    (r"xlink:href=", "href="),
    (r"font-family: [^;\"]*;?\s*", ""),
    (r"font: (?:[a-z]+ )*([\d.]+px) [^;\"]*", r"font-size: \1"),
)


@dataclass(frozen=True)
class Graphic:
    """A figure or picture: its markup and its caption."""

    markup: Markup
    caption: str
    wide: bool = False


def vector(figure: Figure, name: str, caption: str, *, wide: bool = False) -> Graphic:
    """A figure as inline SVG. `name` must be unique on the page; it makes ids unique too."""
    out = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    for pattern, replacement in _FOR_HTML:
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", _variable, svg)
    label = f'<svg role="img" aria-label="{escape(caption)}"'
    return Graphic(Markup(svg.replace("<svg", label, 1)), caption, wide)


def picture(grid: npt.NDArray[np.floating], caption: str, *, wide: bool = False) -> Graphic:
    """An image [H, W] with values from 0 (the page's background) to 1 (black)."""
    levels = np.round((1 - np.clip(grid, 0, 1)) * 255).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(levels).save(out, format="PNG", optimize=True)
    data = base64.b64encode(out.getvalue()).decode()
    height, width = levels.shape
    tag = '<img class="ink" src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">'
    return Graphic(Markup(tag).format(data, width, height, caption), caption, wide)


def colour_variables() -> tuple[str, str]:
    """CSS declarations of the variables, for a light page and for a dark one."""
    light = "".join(f"--c{colour[1:]}:{colour};" for colour in DARK)
    dark = "".join(f"--c{colour[1:]}:{other};" for colour, other in DARK.items())
    return light, dark


def _variable(match: re.Match[str]) -> str:
    colour = match[0]
    return f"var(--c{colour[1:]})" if colour in DARK else colour
