"""Run jobs as processes, a few at a time; the output of each goes to its own file."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal, NamedTuple, Protocol

from nfvae.experiments.interruption import EXIT_STATUS, StopRequest
from nfvae.experiments.launching.watching import last_line
from nfvae.experiments.storage.regular_file import append_regular
from nfvae.experiments.terminal.failures import reason

IN_USE = 69  # EX_UNAVAILABLE: another process uses the run's folder
POLL_SECONDS = 0.2


State = Literal["done", "failed", "interrupted", "in use"]


@dataclass(frozen=True)
class Job:
    """A command, the file for its output, and a function that makes its standard input."""

    name: str
    command: tuple[str, ...]
    log: Path
    input: Callable[[], bytes] = bytes


@dataclass(frozen=True)
class Place:
    """Room for one job at a time."""

    environment: dict[str, str] = field(default_factory=dict)
    cores: frozenset[int] = frozenset()
    """The cores that the job may use; empty: all."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `reason` is one line, empty for a job that is done."""

    job: Job
    state: State
    reason: str = ""


class _Process(NamedTuple):
    """A running job."""

    job: Job
    place: Place
    popen: subprocess.Popen[bytes]


class Watcher(Protocol):
    """Gets a call for every event."""

    def started(self, job: Job) -> None:
        """Called when a process starts."""

    def ended(self, outcome: Outcome) -> None:
        """Called when a process has ended."""

    def poll(self) -> None:
        """Called several times per second."""


def run_jobs(
    jobs: Iterable[Job], places: Sequence[Place], stop: StopRequest, watcher: Watcher
) -> list[Outcome]:
    """Run every job, one in each place at once. A job that fails does not stop the others.

    When `stop` is set, no more jobs are started, and running ones are asked to save and end. Also
    after an exception, or if this process is killed, jobs end as soon as they have saved.
    """
    waiting, outcomes, asked = iter(jobs), list[Outcome](), False
    free, running = list(reversed(places)), list[_Process]()

    def end(outcome: Outcome, place: Place) -> None:
        free.append(place)
        outcomes.append(outcome)
        watcher.ended(outcome)

    with _ended(running):
        while True:
            while not stop and free and (job := next(waiting, None)):
                watcher.started(job)
                place = free.pop()
                try:
                    running.append(_Process(job, place, _start(job, place)))
                except OSError as error:  # no folder or process: only this run fails
                    end(Outcome(job, "failed", reason(error)), place)
            if not running:
                return outcomes
            if stop and not asked:
                asked = True
                _ask_to_save(running)
            for process in [each for each in running if each.popen.poll() is not None]:
                running.remove(process)
                end(_outcome(process.job, process.popen.returncode), process.place)
            watcher.poll()
            time.sleep(POLL_SECONDS)


def _start(job: Job, place: Place = Place()) -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with append_regular(job.log) as log, TemporaryFile() as given:
        given.write(job.input())
        given.seek(0)
        return subprocess.Popen(
            job.command,
            stdin=given,
            stdout=log,
            stderr=log,
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _python_path()}
            | place.environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=partial(_prepare, place.cores) if sys.platform == "linux" else None,
        )


def _python_path() -> str:
    """PYTHONPATH with which a child finds the same modules as this process."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)


def _prepare(cores: frozenset[int]) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: end with the parent
    if cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def _ended(running: list[_Process]) -> Iterator[None]:
    try:
        yield
    finally:
        _ask_to_save(running)
        for process in running:
            process.popen.wait()


def _ask_to_save(running: Iterable[_Process]) -> None:
    for process in running:
        process.popen.terminate()


def _outcome(job: Job, status: int) -> Outcome:
    if status == 0:
        return Outcome(job, "done")
    if status == EXIT_STATUS:
        return Outcome(job, "interrupted", "stopped and saved")
    if status < 0:
        return Outcome(job, "failed", f"killed by {signal.Signals(-status).name}")
    line = last_line(job.log).removeprefix("error: ") or f"ended with status {status}"
    return Outcome(job, "in use" if status == IN_USE else "failed", line)
