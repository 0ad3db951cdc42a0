"""A sweep written as commands and as a Slurm array."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from nfvae.experiments.launching.array import ArrayLauncher, _content, _parts
from nfvae.experiments.terminal.overrides import hydra_override

from ..processes import FAST

GRID = ("flow=none,planar", "K=0,2", "seed=0,1", "run.dir=runs/${flow.name}_K${K}_s${seed}", *FAST)


@pytest.fixture
def written(call, tmp_path, monkeypatch):
    """Write an array; its output, the planned runs and the folder."""
    planned = []
    write = ArrayLauncher.write
    monkeypatch.setattr(
        ArrayLauncher, "write", lambda self, runs: planned.extend(runs) or write(self, runs)
    )

    def run(*words):
        planned.clear()
        status, out, error = call("train", *words, "cluster=array")
        assert status == 0, error
        return out, list(planned), tmp_path / "outputs" / "array"

    return run


def commands(folder):
    return [shlex.split(line) for line in (folder / "commands.txt").read_text().splitlines()]


def test_each_line_trains_what_the_sweep_would(written, make_config, tmp_path):
    out, planned, folder = written(*GRID, "optim.lr=1e-3")
    assert "4 combinations skipped: K=0 is the same as flow=none" in out
    assert "next: sbatch outputs/array/array.sh" in out
    lines = commands(folder)
    assert len(lines) == len(planned) == 4
    for (python, script, mode, *overrides), run in zip(lines, planned, strict=True):
        assert script == str(tmp_path / "scripts" / "train.py")
        assert "python" in python
        assert mode == "hydra.mode=RUN"
        assert make_config(*overrides) == run.config
    folders = (folder / "folders.txt").read_text().splitlines()
    assert folders == [str(tmp_path / run.path) for run in planned]


def test_what_the_parent_resolved_is_in_the_line(written, tmp_path):
    (tmp_path / "my_part.py").write_text("")
    (tmp_path / "more").mkdir()
    words = ["--config-dir", "more", "+hydra.job.env_set.MINE=yes"]
    words += ["K=2,3", "run.dir=a b/${now:%f}_${hydra:job.num}_K${K}", "plugins=my_part", *FAST]
    _, planned, folder = written(*words)
    for line, run in zip(commands(folder), planned, strict=True):
        assert hydra_override("run.dir", str(run.config.run.dir)) in line
        assert "plugins=[my_part]" in line
        assert "+hydra.job.env_set.MINE=yes" in line
        assert line[line.index("--config-dir") + 1] == str(tmp_path / "more")


def test_only_missing_runs_are_submitted_and_lines_stay(written, tmp_path, make_config):
    _, planned, folder = written(*GRID)
    before = commands(folder)
    for run in planned[1:3]:
        complete(tmp_path / run.path, run.config)
    out, _, _ = written(*GRID)
    assert "4 runs: 2 already complete, 2 to do" in out
    assert commands(folder) == before
    assert "#SBATCH --array=0,3\n" in (folder / "array.sh").read_text()
    out, _, _ = written(*GRID, "hydra.launcher.runs_per_task=2")
    assert "#SBATCH --array=0-1\n" in (folder / "array.sh").read_text()
    for run in planned:
        complete(tmp_path / run.path, run.config)
    out, planned, _ = written(*GRID)
    assert planned == []
    assert "all 4 runs are complete" in out


def complete(path, config):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    names = ("neg_elbo", "neg_elbo_se", "distortion", "kl", "sum_log_det", "active_units")
    names += ("nll", "nll_se", "num_importance_samples", "steps", "train_seconds")
    (path / "results.json").write_text(json.dumps(dict.fromkeys(names, 1) | {"split": "test"}))


def test_the_lines_of_another_sweep_are_kept(written, call, tmp_path):
    _, _, folder = written(*GRID)
    before = (folder / "commands.txt").read_text()
    status, _, error = call("train", "cluster=array", *GRID, "optim.lr=0.1")
    assert status == 1
    assert "is of another sweep" in error
    assert error.count("\n") == 1
    assert (folder / "commands.txt").read_text() == before


REFUSED = [
    ("hydra/sweeper=basic", "hydra/sweeper=grid"),
    ("hydra.launcher.runs_per_task=0", "runs_per_task=0"),
    ("hydra.launcher.dir=null", "dir=null should name a folder"),
    ("hydra.mode=RUN", "cluster=array applies to sweeps only"),
]


@pytest.mark.parametrize(("word", "said"), REFUSED)
def test_refused(word, said, call, tmp_path):
    status, _, error = call("train", "cluster=array", "K=2", word)
    assert status == 1
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_arrays_are_no_larger_than_slurm_accepts():
    assert _parts([0, 3, 4, 5, 7]) == {0: "0,3-5,7"}
    assert _parts([*range(998, 1003), 2500]) == {0: "998-999", 1000: "0-2", 2000: "500"}


def test_the_script_is_valid_also_in_a_folder_with_spaces(written, tmp_path):
    out, _, _ = written(*GRID, 'hydra.launcher.dir="my arrays"')
    script = tmp_path / "my arrays" / "array.sh"
    assert "next: sbatch 'my arrays/array.sh'" in out
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_script_does_not_write_through_a_link(written, tmp_path):
    _, _, folder = written("K=0,2", "run.dir=runs/K${K}", *FAST)
    run, victim = Path((folder / "folders.txt").read_text().splitlines()[0]), tmp_path / "victim"
    run.mkdir(parents=True)
    victim.write_text("mine")
    (run / "train.log").symlink_to(victim)
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done; exec "$@"\n')
    srun.chmod(0o755)
    env = {"PATH": f"{srun.parent}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "0", "SLURM_PROCID": "0"}
    script = ["bash", str(folder / "array.sh")]
    ended = subprocess.run(script, env=env, capture_output=True, text=True, check=False)
    link = run / "train.log"
    assert ended.stderr == f"error: {link} is a symbolic link; remove it\n"
    assert (ended.returncode, victim.read_text()) == (1, "mine")


def test_names_of_folders_are_utf_8_or_any_bytes(written):
    run = 'run.dir="runs/é${K}"'
    _, _, folder = written(run, "K=0,2")
    assert (folder / "folders.txt").read_bytes().endswith("runs/é2\n".encode())
    written(run, "K=0,2")  # reads the files again
    assert _content(["/a\udcff"]) == b"/a\xff\n"
