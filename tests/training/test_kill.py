"""A real process, killed with SIGKILL at random moments, ends where an unbroken one does."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nfvae.storage.checkpoint import load_checkpoint
from nfvae.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("NFVAE_KILLS", "5"))
EXIT_RESUMABLE = 75

COMMAND = [
    sys.executable,
    str(ROOT / "scripts" / "train.py"),
    "K=3",
    "model.latent_dim=4",
    "model.hidden=[32]",
    "trainer.max_steps=6000",
    "trainer.val_every=500",
    "trainer.checkpoint_every=100",
    "eval.elbo_draws=2",
    "eval.num_samples=2",
]


def start(path):
    return subprocess.Popen(
        [*COMMAND, f"run.dir={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("unbroken") / "run")
    process = start(folder.path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "test NLL" in out
    return folder


def assert_ends_like(folder, unbroken):
    process = start(folder.path)
    _, err = process.communicate()
    assert process.returncode == 0, err
    for name in ("last", "best"):
        ours = load_checkpoint(getattr(folder, name))["model"]
        theirs = load_checkpoint(getattr(unbroken, name))["model"]
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    for key in ("neg_elbo", "nll", "kl", "best_step", "steps"):
        assert folder.read_results()[key] == unbroken.read_results()[key]


@pytest.mark.slow
def test_killed_at_random_moments(unbroken, tmp_path):
    folder = RunFolder(tmp_path / "run")
    moments = random.Random(0)
    for kill in range(KILLS):
        before = folder.last.stat().st_mtime_ns if folder.last.exists() else 0
        process = start(folder.path)
        # Some kills fall on the start, most on training once it has saved anew.
        if kill % 4:
            wait_until(
                lambda b=before: folder.last.exists() and folder.last.stat().st_mtime_ns > b,
                process,
            )
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        if folder.last.exists():
            load_checkpoint(folder.last)  # whole, whatever the moment
    assert not folder.results.exists()
    assert_ends_like(folder, unbroken)
    print(f"survived {KILLS} of {KILLS}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_saves_and_says_how_to_go_on(unbroken, tmp_path, number):
    folder = RunFolder(tmp_path / "run")
    process = start(folder.path)
    wait_until(folder.last.exists, process)
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < 5
    assert process.returncode == EXIT_RESUMABLE
    assert f"stopped by {number.name}; saved. To go on: python" in err
    assert "Traceback" not in err
    assert_ends_like(folder, unbroken)


@pytest.mark.slow
def test_bad_input_is_one_line_and_a_status(tmp_path):
    def fails(*overrides, script="train.py"):
        process = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), *overrides],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert process.returncode == 1
        assert process.stderr.startswith("error: ")
        assert process.stderr.count("\n") == 1
        assert process.stdout == ""
        return process.stderr

    assert "K=-1" in fails("K=-1")
    assert "Kk" in fails("Kk=16")
    assert "planr" in fails("flow=planr")
    assert "more than once" in fails("K=1", "K=2")
    assert "run" in fails(script="evaluate.py")
    assert "no run folder" in fails("run=nowhere", script="evaluate.py")
    assert list(tmp_path.iterdir()) == []
