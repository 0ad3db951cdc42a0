"""The state of runs as status.py reads it from their files."""

import fcntl
import json
import time

import pytest
import yaml

from nfvae.experiments.commands.status import status
from nfvae.experiments.launching.watching import look_at

LOG = (
    '{"step": 100, "train/neg_elbo": 99.5, "train/epoch": 0.5, "system/images_per_second": 50.0}\n'
)


@pytest.fixture
def unfinished(write_unfinished):
    """A run of 2,000 steps with batches of 10 images, at step 100."""

    def make(name, **trainer):
        limits = {"max_steps": 2000, "max_epochs": None, "batch_size": 10}
        run = write_unfinished(name, LOG, {"trainer": limits | trainer})
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.pt").touch()
        return run

    return make


def test_a_complete_run(write_run):
    run = look_at(write_run("a", {}))
    assert (run.state, run.step, run.neg_elbo) == ("complete", 50000, 90.0)


def test_a_running_run(unfinished):
    folder = unfinished("a")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("17 on node3\n")
        lock.flush()
        run = look_at(folder)
    assert (run.state, run.step, run.steps, run.neg_elbo) == ("running", 100, 2000, 99.5)
    assert (run.host, run.seconds_left) == ("node3", 1900 * 10 / 50)
    assert look_at(folder).state == "saved"


def test_steps_by_epochs(unfinished):
    assert look_at(unfinished("a", max_epochs=3)).steps == 600


def test_failures(unfinished, write_unfinished):
    diverged, refused, second = unfinished("a"), unfinished("b"), unfinished("c")
    (diverged / "failure.txt").write_text("neg_elbo is nan\nat step 3")
    (refused / "train.log").write_text("run folder  b\nerror: data.root=x does not \x1bexist\n\n")
    (second / "train.log").write_text("error: c is in use by process 17 on node3; wait for it\n")
    assert look_at(diverged).message == "neg_elbo is nan at step 3"
    assert look_at(refused).message == "data.root=x does not \\x1bexist"
    assert [look_at(each).state for each in (diverged, refused, second)] == [
        "failed",
        "failed",
        "saved",
    ]
    damaged = write_unfinished("d")
    (damaged / "results.json").write_text("{")
    assert look_at(damaged).state == "failed"


def test_an_array_knows_the_runs_that_have_not_started(unfinished, tmp_path, capsys):
    array = tmp_path / "array"
    array.mkdir()
    saved = unfinished("runs/a")
    (array / "folders.txt").write_text(f"{saved}\n{tmp_path}/runs/b\n")
    assert status([str(array)]) == 0
    first, second, counts = capsys.readouterr().out.splitlines()
    assert first == f"saved      step 100 of 2000  −ELBO 99.50  {saved}"
    assert second == f"waiting    {tmp_path}/runs/b"
    assert counts == "2 runs: 1 saved, 1 waiting"
    assert status([str(array), "--json"]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["saved", "waiting"]


def test_thousands_of_runs_take_seconds(tmp_path, write_run, capsys):
    config = yaml.safe_dump({"trainer": {"max_steps": 2000, "max_epochs": None}})
    for n in range(1000):
        folder = tmp_path / "runs" / str(n)
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(config)
        (folder / "metrics.jsonl").write_text(LOG)
    before = time.process_time()
    assert status([str(tmp_path / "runs")]) == 0
    assert time.process_time() - before < 10
    assert "1000 runs: 1000 waiting" in capsys.readouterr().out
