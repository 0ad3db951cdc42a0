"""Runs as processes, a few at a time; what they print goes to a file each."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from nfvae.experiments.interruption import EXIT_STATUS, StopRequest

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """A command, and the file that gets what it prints."""

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `reason` is one line, empty for a job that is done."""

    job: Job
    state: Literal["done", "failed", "interrupted"]
    reason: str = ""


class Watcher(Protocol):
    """Is told what happens."""

    def started(self, job: Job) -> None:
        """A process was started."""

    def ended(self, outcome: Outcome) -> None:
        """A process has ended."""

    def poll(self) -> None:
        """A moment has passed."""


def run_jobs(
    jobs: Iterable[Job], num_workers: int, stop: StopRequest, watcher: Watcher
) -> list[Outcome]:
    """Run every job, at most `num_workers` at once; one that fails does not keep the others.

    Once `stop` is set no more are started, and those that run are asked to save and end. However
    this function is left, and if this process is killed, no job outlives it by more than the time
    that it takes to save.
    """
    waiting, outcomes, asked = iter(jobs), list[Outcome](), False
    running: dict[subprocess.Popen[bytes], Job] = {}
    with _ended(running):
        while True:
            while not stop and len(running) < num_workers and (job := next(waiting, None)):
                running[_start(job)] = job
                watcher.started(job)
            if not running:
                return outcomes
            if stop and not asked:
                asked = True
                _ask_to_save(running)
            for process in [process for process in running if process.poll() is not None]:
                outcomes.append(_outcome(running.pop(process), process.returncode))
                watcher.ended(outcomes[-1])
            watcher.poll()
            time.sleep(POLL_SECONDS)


def _start(job: Job) -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        return subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextmanager
def _ended(running: dict[subprocess.Popen[bytes], Job]) -> Iterator[None]:
    try:
        yield
    finally:
        _ask_to_save(running)
        for process in running:
            process.wait()


def _ask_to_save(running: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.terminate()


def _outcome(job: Job, status: int) -> Outcome:
    if status == 0:
        return Outcome(job, "done")
    if status == EXIT_STATUS:
        return Outcome(job, "interrupted", "stopped and saved")
    if status < 0:
        return Outcome(job, "failed", f"killed by {signal.Signals(-status).name}")
    return Outcome(job, "failed", _last_line(job.log) or f"ended with status {status}")


def _last_line(log: Path) -> str:
    """The last line that says something; an error of ours is the last line of a log."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
