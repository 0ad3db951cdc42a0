"""The wheel, installed elsewhere, trains through the console command."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture
def installed(tmp_path):
    """The folder of an environment's commands: the wheel, and the dependencies of this one."""
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=ROOT, env=OUTSIDE, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    place = tmp_path / "environment"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
        env=OUTSIDE, check=True, capture_output=True,
    )  # fmt: skip
    (site,) = place.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return place / "bin"


@pytest.mark.slow
def test_it_trains(installed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def nfvae(*words):
        return subprocess.run(
            [installed / "nfvae", *words],
            cwd=elsewhere, env=OUTSIDE, capture_output=True, text=True, check=False,
        )  # fmt: skip

    words = ["flow=planar", "K=4", "trainer.max_steps=50", "trainer.val_every=50"]
    words += ["eval.num_samples=0", "device=cpu", "run.name=mine"]
    trained = nfvae("train", *words)
    assert trained.returncode == 0, trained.stderr
    assert "next        nfvae report outputs/mine" in trained.stdout
    results = json.loads((elsewhere / "outputs/mine/results.json").read_text())
    assert results["steps"] == 50
    words = ["trainer.max_steps=10", "trainer.val_every=10", "eval.num_samples=0", "device=cpu"]
    swept = nfvae("train", "-m", "K=2,4", *words)
    assert swept.returncode == 0, swept.stderr
    assert len(list(elsewhere.glob("outputs/*/results.json"))) == 3  # with the first one
    assert "flow" in nfvae("train", "--help").stdout
    assert nfvae("evaluate", "outputs/mine", "eval.num_samples=1").returncode == 0
    assert nfvae("table", "outputs/mine").returncode == 0
