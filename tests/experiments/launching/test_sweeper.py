"""How the grid sweeper handles command lines and the results of its jobs."""

import fcntl
import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus

from nfvae.experiments.errors import ConfigError, FolderInUseError
from nfvae.experiments.interruption import Interrupted, record_signal
from nfvae.experiments.launching import worker
from nfvae.experiments.launching.display import Display
from nfvae.experiments.launching.processes import Job
from nfvae.experiments.launching.tally import Tally, job_outcome

from ..processes import FAST

NO_RUNS = [
    ("seed=range(5,1)", "seed=range(5,1) has no values"),
    ("flow=glob(plnar*)", "flow=glob(plnar*) has no values"),
]


@pytest.mark.parametrize(("words", "said"), NO_RUNS)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_sweep_without_runs_is_an_error(call, words, said, command):
    if command == "evaluate" and words.startswith("flow"):
        words, said = "split=glob(x*)", "split"
    status, _, error = call(command, "-m", words)
    assert status == 1
    assert said in error
    assert error.count("\n") == 1


def test_jobs_of_other_commands_come_back_too(call, tmp_path):
    status, _, error = call("evaluate", "-m", "run=a,b")
    assert status == 1
    assert "2 of 2 jobs failed" in error


def test_a_run_of_another_process_is_in_use(call, tmp_path):
    folder = tmp_path / "runs" / "s1"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ["K=2", "seed=1,1", "run.dir=runs/s${seed}", *FAST]
        status, out, error = call("train", "-m", *words)
    assert status == 75
    assert "1 combinations skipped: given more than once" in out
    assert "1 runs: 0 already complete, 0 to do, 1 in use by another process" in out
    assert "in use  runs/s1: another process uses it" in out
    assert "1 of 1 runs are in use by another process. To try them again: python" in error
    assert not (folder / "failure.txt").exists()


def ended(error=None):
    status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    return JobReturn(status=status, _return_value=error)


def test_outcomes():
    assert job_outcome(ended()) == ("done", "")
    assert job_outcome(ended(Interrupted("stopped by SIGTERM"))) == (
        "interrupted",
        "stopped by SIGTERM",
    )
    assert job_outcome(ended(FolderInUseError("x is in use"))) == ("in use", "x is in use")
    assert job_outcome(ended(ConfigError("K=-1"))) == ("failed", "K=-1")
    assert job_outcome(ended(ZeroDivisionError("by\nzero"))) == (
        "failed",
        "ZeroDivisionError: by zero",
    )


@pytest.mark.parametrize(
    ("returned", "status", "said"),
    [
        ([ended(), ended()], 0, "all 2 runs are complete"),
        ([ended(), ended(ConfigError("K=-1"))], 1, "failed  b: K=-1"),
        ([ended(), ended(ConfigError("\x1b[2J"))], 1, r"failed  b: \x1b[2J"),
        ([ended(), ended(Interrupted("x"))], 75, "stopped by SIGINT; saved. To resume: "),
        ([ended(ConfigError("K")), ended(Interrupted("x"))], 75, "failed  a: K"),
        ([ended(), ended(FolderInUseError("x"))], 75, "in use  b: another process"),
    ],
)
def test_the_status_says_whether_all_was_done(returned, status, said, capsys):
    record_signal(2 if status == 75 and "SIGINT" in said else None)
    tally = Tally()
    tally.add(["a", "b"], returned)
    if "SIGINT" in said:
        import signal

        record_signal(signal.SIGINT)
    assert tally.summary(2, "runs", refused=0) == status
    record_signal(None)
    assert said in "".join(capsys.readouterr())


def test_names_and_reasons_are_shown_without_control_characters(capsys, monkeypatch):
    Display({}, complete=0).started(Job("\x1b[2J", (), Path("log")))
    hydra = SimpleNamespace(job=SimpleNamespace(name="run"))
    monkeypatch.setattr(worker, "protect_output", lambda: None)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr("pickle.load", lambda file: SimpleNamespace(hydra=hydra))
    monkeypatch.setattr(worker, "run_job", lambda **given: ended(ConfigError("\x1b[2J")))
    assert worker.main() == 1
    assert capsys.readouterr().err == "started      \\x1b[2J\nerror: \\x1b[2J\n"
