"""Commands in processes of their own, in a temporary folder."""

import subprocess

import pytest

from ..warm import MODULE, Command

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


@pytest.fixture(name="nfvae")
def nfvae_fixture(tmp_path):
    """Run `python -m nfvae …` to its end."""

    def run(*words):
        command = Command(MODULE, words, tmp_path, daemon=False)
        out, err = command.communicate()
        return subprocess.CompletedProcess(words, command.returncode, out, err)

    return run
