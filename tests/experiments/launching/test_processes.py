"""Real, short processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nfvae.experiments.interruption import EXIT_STATUS, StopRequest
from nfvae.experiments.launching.processes import Job, Place, run_jobs


class Record:
    def __init__(self):
        self.events, self.at_once, self.most = [], 0, 0

    def started(self, job):
        self.at_once += 1
        self.most = max(self.most, self.at_once)

    def ended(self, outcome):
        self.at_once -= 1
        self.events.append((outcome.job.name, outcome.state))

    def poll(self):
        pass


@pytest.fixture
def job(tmp_path):
    def make(name, code):
        return Job(name, (sys.executable, "-c", code), tmp_path / name / "train.log")

    return make


WAITS = f"""
import signal, sys, time
def stop(*_):
    print("saved")
    sys.exit({EXIT_STATUS})
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


def test_all_jobs_run_with_at_most_num_workers_at_once(job):
    record = Record()
    jobs = [job(str(i), "import time; time.sleep(0.1)") for i in range(5)]
    outcomes = run_jobs(jobs, [Place()] * 2, StopRequest(), record)
    assert {outcome.job.name for outcome in outcomes} == {"0", "1", "2", "3", "4"}
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert record.most == 2


def test_a_job_that_fails_does_not_stop_the_others(job):
    jobs = [
        job("bad", "import sys; print('working'); sys.exit('error: K=-1 should be at least 0')"),
        job("killed", "import os; os.kill(os.getpid(), 9)"),
        job("good", "print('fine')"),
    ]
    outcomes = {o.job.name: o for o in run_jobs(jobs, [Place()], StopRequest(), Record())}
    assert (outcomes["bad"].state, outcomes["bad"].reason) == (
        "failed",
        "K=-1 should be at least 0",
    )
    assert (outcomes["killed"].state, outcomes["killed"].reason) == ("failed", "killed by SIGKILL")
    assert outcomes["good"].state == "done"
    assert outcomes["good"].job.log.read_text() == "fine\n"


def test_output_is_not_written_through_a_link(job, tmp_path):
    victim, linked = tmp_path / "victim", job("linked", "print('written')")
    victim.write_text("mine")
    linked.log.parent.mkdir()
    linked.log.symlink_to(victim)
    (outcome,) = run_jobs([linked], [Place()], StopRequest(), Record())
    assert outcome.state == "failed"
    assert outcome.reason.startswith(f"cannot use {linked.log}: it is a symbolic link")
    assert victim.read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux alone")
def test_a_job_has_its_place_alone(job):
    core = min(os.sched_getaffinity(0))
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.sched_getaffinity(0))"
    places = [Place({"CUDA_VISIBLE_DEVICES": name}, frozenset([core])) for name in "57"]
    jobs = [job(str(i), f"{code}; import time; time.sleep(0.3)") for i in range(4)]
    run_jobs(jobs, places, StopRequest(), Record())
    said = [each.log.read_text() for each in jobs]
    assert sorted(said) == [f"{name} {{{core}}}\n" for name in "5577"]
    assert said[0] != said[1]  # they ran at the same time


def test_a_stop_saves_running_jobs_and_starts_no_more(job):
    stop, record = StopRequest(), Record()
    running, waiting = job("running", WAITS), job("waiting", "print(1)")

    def poll():
        if running.log.read_text() == "ready\n":
            stop.signal = signal.SIGINT

    record.poll = poll
    outcomes = run_jobs([running, waiting], [Place()], stop, record)
    assert [(o.job.name, o.state) for o in outcomes] == [("running", "interrupted")]
    assert running.log.read_text() == "ready\nsaved\n"
    assert not waiting.log.exists()


def test_an_exception_leaves_no_process_behind(job):
    record = Record()
    running = job("running", WAITS)

    def poll():
        if running.log.read_text() == "ready\n":
            raise ZeroDivisionError

    record.poll = poll
    with pytest.raises(ZeroDivisionError):
        run_jobs([running], [Place()], StopRequest(), record)
    assert running.log.read_text() == "ready\nsaved\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is a signal on Linux alone")
def test_processes_save_and_end_when_the_sweep_itself_is_killed(job, tmp_path):
    log = tmp_path / "run" / "train.log"
    parent = f"""
from pathlib import Path
from nfvae.experiments.launching.processes import Job, _start
_start(Job("run", {(sys.executable, "-c", WAITS)!r}, Path({str(log)!r})))
import os, time
while not Path({str(log)!r}).read_text():
    time.sleep(0.05)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", parent], check=False)
    assert killed.returncode == -signal.SIGKILL
    for _ in range(100):
        if log.read_text() == "ready\nsaved\n":
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
