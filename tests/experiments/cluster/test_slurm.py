"""Eight runs on Slurm, four of them disturbed, end like an undisturbed sweep, to the last bit."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ..processes import TIMES
from .conftest import wait_for

pytestmark = pytest.mark.slurm
TRAIN = Path(__file__).parents[3] / "scripts" / "train.py"
SEEDS = range(8)
SWEEP = (
    *("flow=planar", "K=2", "run.dir=runs/s${seed}", "data=arrays", "data.path=../images.npy"),
    *("device=cpu", "model.latent_dim=3", "model.hidden=[16]", "trainer.batch_size=20"),
    *("trainer.max_steps=1500", "trainer.val_every=1500", "trainer.checkpoint_every=20"),
    *("trainer.log_every=100", "trainer.progress=false", "eval.elbo_draws=1"),
    "eval.num_samples=0",
)


def train(slurm, folder, *words, seeds="seed=range(8)"):
    folder.mkdir(exist_ok=True)
    if not (images := folder.parent / "images.npy").exists():
        random = np.random.default_rng(0)
        np.save(images, random.integers(0, 256, (300, 6, 6), dtype=np.uint8))
    return subprocess.Popen(
        [sys.executable, str(TRAIN), *SWEEP, seeds, *words],
        cwd=folder,
        env=slurm.env | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def results(folder):
    """Numbers and weights of all runs."""
    found = {}
    for seed in SEEDS:
        run = folder / "runs" / f"s{seed}"
        numbers = json.loads((run / "results.json").read_text())
        last = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
        weights = {name: weight.tolist() for name, weight in last["model"].items()}
        found[seed] = {k: v for k, v in numbers.items() if k not in TIMES}, weights
    return found


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep = train(slurm, folder, "hydra/launcher=basic", "-m")  # torch is imported once
    out, err = sweep.communicate()
    assert sweep.returncode == 0, out + err
    return results(folder)


def job_of(run):
    """The Slurm job that trains a run which has saved a checkpoint, and its process."""
    if not (run / "checkpoints" / "last.pt").exists() or (run / "results.json").exists():
        return None
    pid = int((run / ".lock").read_text().split()[0])
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    (job,) = [each.decode()[13:] for each in variables if each.startswith(b"SLURM_JOB_ID=")]
    return job, pid


def disturb(slurm, folder):
    """Stop or kill four runs while they train."""

    def usr1(job, pid):
        os.kill(pid, signal.SIGUSR1)

    def term(job, pid):
        # Having sent the signal, it tries again until the requeued job has ended.
        senders.append(subprocess.Popen(["scancel", "--signal=TERM", job], env=slurm.env))

    def requeue(job, pid):
        slurm.output("scontrol", "requeue", job)

    def lose(job, pid):
        slurm.lose(job)

    senders = []
    left = dict(enumerate([usr1, term, requeue, lose]))

    def step():
        for seed, way in [*left.items()]:
            if found := job_of(folder / "runs" / f"s{seed}"):
                way(*found)
                del left[seed]
        return not left

    wait_for(step)
    for sender in senders:
        sender.kill()
        sender.wait()


def complete(folder):
    return all((folder / "runs" / f"s{seed}" / "results.json").exists() for seed in SEEDS)


def test_an_array_of_commands(slurm, undisturbed, tmp_path):
    writing = train(slurm, tmp_path, "cluster=array")
    out, err = writing.communicate()
    assert writing.returncode == 0, out + err
    submit = shlex.split(out.partition("next: ")[2].splitlines()[0])
    subprocess.run(submit, cwd=tmp_path, env=slurm.env, check=True)
    disturb(slurm, tmp_path)
    wait_for(lambda: complete(tmp_path))
    assert results(tmp_path) == undisturbed
    for seed, name in enumerate(["SIGUSR1", "SIGTERM", "SIGTERM"]):
        log = (tmp_path / "runs" / f"s{seed}" / "train.log").read_text()
        assert f"stopped by {name}; saved" in log
    again = train(slurm, tmp_path, "cluster=array")
    assert "all 8 runs are complete" in again.communicate()[0]


def test_a_cancelled_job_stays_cancelled(slurm, tmp_path):
    writing = train(slurm, tmp_path, "cluster=array", seeds="seed=0")
    assert "next: sbatch" in writing.communicate()[0]
    subprocess.run(["sbatch", "outputs/array/array.sh"], cwd=tmp_path, env=slurm.env, check=True)
    job, _ = wait_for(lambda: job_of(tmp_path / "runs" / "s0"))
    slurm.output("scancel", job)
    wait_for(lambda: not slurm.output("squeue", "-h"))
    assert "stopped by SIGTERM; saved" in (tmp_path / "runs" / "s0" / "train.log").read_text()
    assert not (tmp_path / "runs" / "s0" / "results.json").exists()


def test_jobs_of_submitit(slurm, undisturbed, tmp_path):
    sweep = train(slurm, tmp_path, "cluster=slurm", "hydra.launcher.mem_gb=null")
    disturb(slurm, tmp_path)
    out, err = sweep.communicate()
    assert sweep.returncode == 0, out + err
    assert "all 8 runs are complete" in out
    assert results(tmp_path) == undisturbed
