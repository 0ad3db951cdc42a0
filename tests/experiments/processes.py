"""Commands in processes of their own, in a temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAST = (
    "device=cpu",
    "model.hidden=[20]",
    "model.latent_dim=4",
    "trainer.max_steps=20",
    "trainer.val_every=20",
    "eval.elbo_draws=2",
    "eval.num_samples=0",
)
TIMES = {"train_seconds", "steps_per_second", "git_commit"}


def environment(**variables):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NFVAE_")}
    return kept | {"PYTHONPATH": path} | variables


@pytest.fixture(name="nfvae")
def nfvae_fixture(tmp_path):
    """Run `python -m nfvae …`; keyword arguments go to subprocess.run."""

    def run(*words, env=None, **options):
        return subprocess.run(
            [sys.executable, "-m", "nfvae", *words],
            **{"cwd": tmp_path, "capture_output": True, "text": True, "check": False} | options,
            env=environment(**(env or {})),
        )

    return run
