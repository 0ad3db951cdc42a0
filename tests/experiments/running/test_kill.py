"""A process that is killed, stopped or out of disk, and resumed, ends like an uninterrupted one.

NFVAE_KILLS=100 python -m pytest -m slow -s tests/experiments/running/test_kill.py -k random
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder

from ...warm import ROOT, Command

TRAIN = ROOT / "scripts" / "train.py"
KILLS = int(os.environ.get("NFVAE_KILLS", "3"))
EXIT_RESUMABLE = 75
STEPS = 600

WORDS = [
    "device=cpu",
    "K=3",
    "model.latent_dim=4",
    "model.hidden=[32]",
    "trainer.val_every=300",
    "trainer.checkpoint_every=50",
    "eval.elbo_draws=2",
    "eval.num_samples=2",
]


def start(path, steps=STEPS, largest_file=None):
    words = [*WORDS, f"trainer.max_steps={steps}", f"run.dir={path}"]
    return Command(TRAIN, words, largest_file=largest_file)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return run_unbroken(tmp_path_factory.mktemp("unbroken") / "run", STEPS)


def run_unbroken(path, steps):
    folder = RunFolder(path)
    process = start(folder.path, steps)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "test NLL" in out
    return folder


def assert_ends_like(folder, unbroken, steps=STEPS):
    process = start(folder.path, steps)
    _, err = process.communicate()
    assert process.returncode == 0, err
    for name in ("last", "best"):
        ours = load_checkpoint(getattr(folder, name))["model"]
        theirs = load_checkpoint(getattr(unbroken, name))["model"]
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    for key in ("neg_elbo", "nll", "kl", "best_step", "steps"):
        assert folder.read_results()[key] == unbroken.read_results()[key]


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path, capsys):
    steps = 600 + 300 * KILLS  # more than all processes together get done before they are killed
    unbroken = run_unbroken(tmp_path / "unbroken", steps)
    folder = RunFolder(tmp_path / "run")
    moments = random.Random(0)
    for kill in range(KILLS):
        before = folder.last.stat().st_mtime_ns if folder.last.exists() else 0
        process = start(folder.path, steps)
        # Some kills fall on the start, most on training once it has saved anew.
        if kill % 4:
            process.wait_until(
                lambda b=before: folder.last.exists() and folder.last.stat().st_mtime_ns > b
            )
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        if folder.last.exists():
            load_checkpoint(folder.last)  # whole, whatever the moment
    assert not folder.results.exists()
    assert_ends_like(folder, unbroken, steps)
    with capsys.disabled():
        print(f"\nsurvived {KILLS} of {KILLS}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_prints_how_to_resume(unbroken, tmp_path, number):
    folder = RunFolder(tmp_path / "run")
    process = start(folder.path)
    process.wait_until(folder.last.exists)
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < 15
    assert process.returncode == EXIT_RESUMABLE
    assert f"stopped by {number.name}; saved. To resume: python" in err
    assert "Traceback" not in err
    assert_ends_like(folder, unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("largest_file", [1000, 300_000])
def test_where_nothing_more_can_be_written(unbroken, tmp_path, largest_file):
    """config.yaml, the events, or the first checkpoint hit the limit."""
    folder = RunFolder(tmp_path / "run")
    process = start(folder.path, largest_file=largest_file)
    _, err = process.communicate()
    assert process.returncode == 1
    errors = [line for line in err.splitlines() if not line.startswith("step ")]
    assert len(errors) == 1
    assert errors[0].startswith(f"error: cannot write {folder.path}")
    assert "File too large" in errors[0]
    assert "make room and give the same command again" in errors[0]
    assert not folder.results.exists()
    assert_ends_like(folder, unbroken)


@pytest.mark.slow
def test_a_second_process_reports_who_uses_the_folder(unbroken, tmp_path):
    folder = RunFolder(tmp_path / "run")
    first = start(folder.path)
    first.wait_until(folder.last.exists)
    first.send_signal(signal.SIGSTOP)  # or it may be complete before the second gives up
    second = start(folder.path)
    _, err = second.communicate()
    assert second.returncode == 1
    note, error = err.splitlines()
    assert note.startswith(f"note: {folder.path} is in use by process {first.pid} on ")
    assert error.startswith(f"error: {folder.path} is in use by process {first.pid} on ")
    first.kill()  # and what it held is free, though its .lock is still there
    first.communicate()
    assert (folder.path / ".lock").exists()
    assert_ends_like(folder, unbroken)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
@pytest.mark.slow
def test_ctrl_c_before_the_work_is_one_line(tmp_path):
    words = [sys.executable, str(TRAIN), *WORDS, f"run.dir={tmp_path / 'run'}"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    maps = Path(f"/proc/{process.pid}/maps")
    while "libtorch" not in maps.read_text():  # half imported
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "word", "said"),
    [("train.py", "K=-1", "K=-1"), ("evaluate.py", "run=nowhere", "not a run folder")],
)
def test_bad_input_is_one_line_and_a_status(script, word, said, tmp_path):
    process = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), word],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("error: ")
    assert said in process.stderr
    assert process.stderr.count("\n") == 1
    assert process.stdout == ""
    assert list(tmp_path.iterdir()) == []
