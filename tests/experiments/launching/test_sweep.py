"""A sweep that is interrupted and killed, then resumed, ends like an uninterrupted one."""

import json
import os
import signal
from pathlib import Path

import pytest

from ...warm import ROOT, Command
from ..processes import TIMES

TRAIN = ROOT / "scripts" / "train.py"
SWEEP = [
    "flow=none,planar",
    "K=0,2",
    "seed=0,1",
    "run.dir=runs/${flow.name}_K${K}_seed${seed}",
    "hydra.launcher.num_workers=2",
    "device=cpu",
    "model.latent_dim=3",
    "model.hidden=[16]",
    "trainer.batch_size=20",
    "trainer.max_steps=600",
    "trainer.val_every=300",
    "trainer.checkpoint_every=100",
    "trainer.log_every=50",
    "eval.elbo_draws=2",
    "eval.num_samples=2",
]
RUNS = ("none_K0_seed0", "none_K0_seed1", "planar_K2_seed0", "planar_K2_seed1")


def start(folder):
    folder.mkdir(exist_ok=True)
    return Command(TRAIN, ["-m", *SWEEP], cwd=folder)


def results(folder):
    return {
        name: json.loads((folder / "runs" / name / "results.json").read_text()) for name in RUNS
    }


def holder(run):
    """Process that works on a run; None if none does, or no longer."""
    lock = run / ".lock"
    words = lock.read_text().split() if lock.exists() else []
    return int(words[0]) if words and Path(f"/proc/{words[0]}").exists() else None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.slow
def test_an_interrupted_sweep_gives_the_results_of_an_uninterrupted_one(tmp_path):
    whole = start(tmp_path / "whole")
    out, err = whole.communicate()
    assert whole.returncode == 0, err
    assert "4 combinations skipped" in out
    expected = results(tmp_path / "whole")

    broken = tmp_path / "broken"
    first = broken / "runs" / RUNS[0]
    sweep = start(broken)
    sweep.wait_until((first / "results.json").exists, 300)
    sweep.send_signal(signal.SIGINT)
    _, err = sweep.communicate()
    assert sweep.returncode == 75
    assert "To resume: python" in err
    finished = {
        file: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in broken.glob("runs/*/results.json")
    }
    assert first / "results.json" in finished
    assert len(finished) < len(RUNS)

    runs = [broken / "runs" / name for name in RUNS]
    victim = next(run for run in runs if not (run / "results.json").exists())
    sweep = start(broken)
    sweep.wait_until(lambda: holder(victim), 300)
    os.kill(holder(victim), signal.SIGKILL)
    out, err = sweep.communicate()
    assert sweep.returncode == 1
    assert f"failed  runs/{victim.name}: killed by SIGKILL" in out

    last = start(broken)
    out, err = last.communicate()
    assert last.returncode == 0, err
    assert "3 already complete, 1 to do" in out
    for file, (content, written) in finished.items():
        assert file.read_bytes() == content
        assert file.stat().st_mtime_ns == written
    for name, of_run in results(broken).items():
        for key in of_run.keys() - TIMES:
            assert of_run[key] == expected[name][key], (name, key)
