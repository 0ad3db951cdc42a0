"""The wheel, installed elsewhere, trains through the console command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture
def nfvae(tmp_path):
    """Run the console command of the wheel, installed in a folder of its own, elsewhere."""
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    subprocess.run(build, cwd=ROOT, env=OUTSIDE, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    place = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, "--target", place, wheel], env=OUTSIDE, check=True, capture_output=True
    )

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*words):
        return subprocess.run(
            [place / "bin" / "nfvae", *words],
            cwd=elsewhere, env=OUTSIDE | {"PYTHONPATH": str(place)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_it_trains(nfvae, tmp_path):
    elsewhere = tmp_path / "elsewhere"
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
