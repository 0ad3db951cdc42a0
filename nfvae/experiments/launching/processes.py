"""Run jobs as processes, a few at a time; the output of each goes to its own file."""

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal, Protocol

from hydra.core.utils import JobReturn, JobStatus

from nfvae.experiments.errors import FolderInUseError
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, StopRequest
from nfvae.experiments.terminal.failures import reason

POLL_SECONDS = 0.2


State = Literal["done", "failed", "interrupted", "in use"]


@dataclass(frozen=True)
class Job:
    """A command, the file for its output, and its standard input.

    A job with input replaces the input's file by its result, a pickled `JobReturn`.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    input: bytes | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `reason` is one line, empty for a job that is done."""

    job: Job
    state: State
    reason: str = ""
    returned: JobReturn | None = None


@dataclass
class _Process:
    """A running job, with the file that holds its input and then its result."""

    job: Job
    popen: subprocess.Popen[bytes]
    file: IO[bytes] | None


class Watcher(Protocol):
    """Gets a call for every event."""

    def started(self, job: Job) -> None:
        """Called when a process starts."""

    def ended(self, outcome: Outcome) -> None:
        """Called when a process has ended."""

    def poll(self) -> None:
        """Called several times per second."""


def run_jobs(
    jobs: Iterable[Job], num_workers: int, stop: StopRequest, watcher: Watcher
) -> list[Outcome]:
    """Run every job, at most `num_workers` at once. A job that fails does not stop the others.

    When `stop` is set, no more jobs are started, and running ones are asked to save and end. Also
    after an exception, or if this process is killed, jobs end as soon as they have saved.
    """
    waiting, outcomes, asked = iter(jobs), list[Outcome](), False
    running: list[_Process] = []

    def end(outcome: Outcome) -> None:
        outcomes.append(outcome)
        watcher.ended(outcome)

    with _ended(running):
        while True:
            while not stop and len(running) < num_workers and (job := next(waiting, None)):
                watcher.started(job)
                try:
                    running.append(_start(job))
                except OSError as error:  # no folder or process: only this run fails
                    end(Outcome(job, "failed", reason(error)))
            if not running:
                return outcomes
            if stop and not asked:
                asked = True
                _ask_to_save(running)
            for process in [each for each in running if each.popen.poll() is not None]:
                running.remove(process)
                end(_outcome(process))
            watcher.poll()
            time.sleep(POLL_SECONDS)


def job_outcome(returned: JobReturn) -> tuple[State, str]:
    """State and reason, in one line, of a job for which Hydra's `run_job` returned this."""
    if returned.status == JobStatus.COMPLETED:
        return "done", ""
    error = returned._return_value  # the property of that name would raise it
    if isinstance(error, Interrupted):
        return "interrupted", str(error)
    if isinstance(error, FolderInUseError):
        return "in use", str(error)
    return "failed", reason(error)


def _start(job: Job) -> _Process:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    file = None
    if job.input is not None:
        file = TemporaryFile()  # noqa: SIM115  (open until the job ends)
        file.write(job.input)
        file.seek(0)
    with job.log.open("ab") as log:
        popen = subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL if file is None else file,
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _python_path()},
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    return _Process(job, popen, file)


def _python_path() -> str:
    """PYTHONPATH with which a child finds the same modules as this process."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


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


def _outcome(process: _Process) -> Outcome:
    job, status = process.job, process.popen.returncode
    if status == 0 and process.file is not None:
        with process.file as file:
            file.seek(0)
            returned = pickle.load(file)
        return Outcome(job, *job_outcome(returned), returned)
    if status == 0:
        return Outcome(job, "done")
    if status == EXIT_STATUS:
        return Outcome(job, "interrupted", "stopped and saved")
    if status < 0:
        return Outcome(job, "failed", f"killed by {signal.Signals(-status).name}")
    return Outcome(job, "failed", _last_line(job.log) or f"ended with status {status}")


def _last_line(log: Path) -> str:
    """The last line that is not empty; errors are the last line of a log."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
