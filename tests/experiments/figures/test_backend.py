"""Figures need no backend of matplotlib."""

import os
import subprocess
import sys

import pytest

DRAW = """
import nfvae.experiments.{first}
from nfvae.experiments.figures.plane import plane_figure
from nfvae.experiments.figures.style import pixels
import torch
print(pixels(plane_figure(torch.randn(5, 2), None)).std() > 0)
"""


@pytest.mark.parametrize(
    ("backend", "first"),
    [
        ("module://matplotlib_inline.backend_inline", "commands.posterior_2d"),
        pytest.param("svg", "figures.pictures", marks=pytest.mark.slow),  # a known one
    ],
)
def test_a_backend_that_is_not_installed_does_not_matter(backend, first):
    code = DRAW.format(first=first) + "import os\nprint(os.environ['MPLBACKEND'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MPLBACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["True", backend]


def test_pyplot_is_never_imported():
    code = (
        "import sys, nfvae.experiments.report.page, nfvae.experiments.figures.length\n"
        "import nfvae.experiments.commands.fit_energy, nfvae.experiments.commands.posterior_2d\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
