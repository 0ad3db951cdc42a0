"""Commands in processes of their own, in a temporary folder."""

import os
import subprocess
from pathlib import Path

import pytest

from ..warm import MODULE, Command

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
    """Run `python -m nfvae …` to its end."""

    def run(*words):
        command = Command(MODULE, words, tmp_path)
        out, err = command.communicate()
        return subprocess.CompletedProcess(words, command.returncode, out, err)

    return run
