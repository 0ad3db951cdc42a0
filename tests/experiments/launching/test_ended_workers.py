"""What becomes of a sweep's runs when their workers end; no process is started."""

import json

import pytest

from nfvae.experiments.commands import train as command
from nfvae.experiments.launching import launcher, processes

from ...conftest import RESULTS
from ..processes import FAST


class Ended:
    """In the place of a worker's process: it has written to its log and ended."""

    status, line = 0, ""

    def __init__(self, command, stdout, **_):
        stdout.write(self.line.encode())
        self.returncode = self.status

    def poll(self):
        return self.returncode


@pytest.fixture
def without_processes(monkeypatch):
    monkeypatch.setattr(processes, "POLL_SECONDS", 0)
    monkeypatch.setattr(processes.subprocess, "Popen", Ended)


@pytest.mark.usefixtures("without_processes")
def test_only_the_run_whose_folder_cannot_be_made_fails(call, tmp_path, monkeypatch):
    """The file in its place appears after the plan, which would refuse that run."""

    def start(self, overrides, number):
        (tmp_path / "runs/s1").touch()
        results = json.dumps(RESULTS | {"train_seconds": 1.0})
        (tmp_path / f"runs/s{number}/results.json").write_text(results)
        return b""

    monkeypatch.setattr(launcher.ProcessLauncher, "_given", start)
    words = ("K=2", "seed=0,1,2", "run.dir=runs/s${seed}", "hydra.launcher.num_workers=1")
    status, out, error = call("train", "-m", *words, *FAST)
    assert status == 1
    assert "failed  runs/s1: cannot use " in out
    assert out.count("failed  runs/") == 1
    assert "1 of 3 runs failed" in error
    assert (tmp_path / "runs/s2/results.json").exists()


@pytest.mark.usefixtures("without_processes")
def test_a_run_that_another_process_uses_has_not_failed(call, tmp_path, monkeypatch):
    monkeypatch.setattr(Ended, "status", processes.IN_USE)
    monkeypatch.setattr(Ended, "line", "error: runs/s0 is in use by process 1 on here\n")
    status, out, error = call("train", "-m", "K=2", "seed=0", "run.dir=runs/s${seed}", *FAST)
    assert status == 75
    assert "in use  runs/s0: another process uses it" in out
    assert "1 of 1 runs are in use by another process" in error


@pytest.mark.parametrize("best", [88.5, None])
def test_a_sweeper_gets_the_best_validation(write_run, best):
    folder = write_run("run", val_neg_elbo=best)
    done = processes.Outcome(processes.Job(str(folder), (), folder / "train.log"), "done")
    assert launcher._returned(done, ["K=2"], folder).return_value == best


@pytest.mark.parametrize("best", [88.5, None])
def test_train_returns_the_best_validation(small_config, tmp_path, monkeypatch, best):
    found = RESULTS | {"val_neg_elbo": best, "train_seconds": 1.0}
    monkeypatch.setattr(command, "run_training", lambda *_: found)
    monkeypatch.setattr(command, "overrides", list)
    config = small_config(f"run.dir={tmp_path}/run").model_dump()
    assert command.train(config) == best
