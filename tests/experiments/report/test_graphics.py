import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nfvae.experiments.figures.bars import activity_figure, log_det_figure
from nfvae.experiments.figures.curves import BoundCurve, bound_figure, sweep_figure, units_figure
from nfvae.experiments.figures.length import length_figure
from nfvae.experiments.figures.plane import plane_figure
from nfvae.experiments.figures.style import DIGITS
from nfvae.experiments.report.graphics import DARK, colour_variables, picture, vector
from nfvae.experiments.storage.history import Series
from nfvae.experiments.tables import collect, make_cells


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_every_colour_has_a_replacement_for_dark_screens(sweep: Path):
    curve = Series([1, 2], [3.0, 2.0])
    figures = [
        bound_figure(curve, curve),
        units_figure(curve, 40),
        sweep_figure(
            [BoundCurve(K, curve, True) for K in range(1, 8)], [BoundCurve(0, curve, True)], ""
        ),
        activity_figure([0.5, 0.001], 0.01),
        log_det_figure([0.5, -0.2]),
        plane_figure(torch.randn(40, 2), torch.arange(40) % 10),
        length_figure(make_cells(collect([sweep]).runs)),
    ]
    for i, figure in enumerate(figures):
        svg = vector(figure, f"f{i}", "").markup
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= set(DIGITS) - DARK.keys()
        assert set(re.findall(r"var\(--c([0-9a-f]{6})\)", svg)) <= {c[1:] for c in DARK}


def test_colours_have_contrast_on_light_and_dark():
    lines = {"#d8dee4", "#ebebeb"}  # a grid is meant to be quiet
    order = {"#8ec1e8", "#5ba3d9", "#0b4a80", "#06335c", "#56b4e9", "#e69f00", "#cc79a7"}
    for light, dark in DARK.items():
        if light not in lines | order:
            assert contrast(light, "#f6f8fa") >= 3, light
        if light not in lines:
            assert contrast(dark, "#161b22") >= (2 if light in order else 3), dark


def test_colour_variables_are_declared_for_light_and_dark():
    light, dark = colour_variables()
    assert "--c0072b2:#0072b2;" in light
    assert f"--c0072b2:{DARK['#0072b2']};" in dark


def test_a_figure_keeps_its_text_and_has_a_label():
    graphic = vector(log_det_figure([0.5, -0.2]), "a", 'log-dets of "planar"')
    assert "log |det| (nats)</text>" in graphic.markup
    assert '<svg role="img" aria-label="log-dets of &#34;planar&#34;" viewBox="' in graphic.markup
    assert "font-family" not in graphic.markup
    assert "xmlns" not in graphic.markup


def test_ids_of_figures_on_a_page_are_unique():
    ids = [
        re.findall(r'id="([^"]+)"', vector(log_det_figure([0.5]), name, "").markup)
        for name in ("a", "b")
    ]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])


def test_a_picture_is_dark_on_white():
    grid = np.array([[0.0, 1.0], [0.5, 2.0]])
    graphic = picture(grid, "<digits>")
    data = re.search(r"base64,([^\"]+)", graphic.markup)[1]
    decoded = np.asarray(Image.open(BytesIO(base64.b64decode(data))))
    assert decoded.tolist() == [[255, 0], [128, 0]]
    assert 'alt="&lt;digits&gt;"' in graphic.markup
