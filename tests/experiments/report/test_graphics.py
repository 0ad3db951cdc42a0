import base64
import math
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nfvae.experiments.figures.bars import log_det_figure
from nfvae.experiments.report.graphics import picture, vector


def content(graphic):
    head, _, data = graphic.url.partition(";base64,")
    return head, base64.b64decode(data)


def test_a_figure_is_svg_that_keeps_its_text():
    graphic = vector(log_det_figure([0.5, -0.2]), "log-dets")
    head, data = content(graphic)
    assert (head, graphic.kind, graphic.caption) == ("data:image/svg+xml", "figure", "log-dets")
    root = ElementTree.fromstring(data)
    assert root.tag.endswith("svg")
    assert "log |det| (nats)" in {text.strip() for text in root.itertext()}
    assert vector(log_det_figure([0.5, -0.2]), "log-dets") == graphic


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_a_picture_keeps_its_pixels(shape):
    pixels = (np.arange(math.prod(shape)) * 13).astype(np.uint8).reshape(shape)
    graphic = picture(pixels, "faces", keep_colours=True)
    head, data = content(graphic)
    assert (head, graphic.kind) == ("data:image/png", "photo")
    assert np.array_equal(np.asarray(Image.open(BytesIO(data))), pixels)
    assert picture(pixels, "digits", keep_colours=False).kind == "figure"
