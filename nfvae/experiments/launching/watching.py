"""The state of runs, from the files in their folders. Nothing here imports torch."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.storage.config_file import look_up, read_config_file
from nfvae.experiments.storage.failure import read_failure
from nfvae.experiments.storage.history import latest
from nfvae.experiments.storage.json_file import check_numbers, read_results_json
from nfvae.experiments.storage.lock import is_locked, lock_holder
from nfvae.experiments.storage.regular_file import open_regular, read_regular
from nfvae.experiments.storage.search import run_folders

FOLDERS = "folders.txt"
"""A file with the folders of an array's runs, one per line."""
LOG = "train.log"
MAX_BYTES = 2**24
TAIL_BYTES = 2**12

State = Literal["waiting", "running", "saved", "failed", "complete"]


@dataclass(frozen=True)
class Watched:
    """A run as it is now.

    Attributes:
        path: its folder.
        state: waiting: nothing is saved; saved: stopped or killed after a checkpoint.
        step: updates so far.
        steps: updates of the whole run, if known.
        neg_elbo: of a complete run on the test split, else of the last logged training batches.
        seconds_left: until the last update of a run that trains.
        host: the machine of a run that trains.
        message: why it failed, in one line.
    """

    path: str
    state: State
    step: int = 0
    steps: int | None = None
    neg_elbo: float | None = None
    seconds_left: float | None = None
    host: str | None = None
    message: str | None = None


class Progress(NamedTuple):
    """What the last lines of a run's metrics.jsonl say; None where they say nothing."""

    step: int = 0
    neg_elbo: float | None = None
    images_per_second: float | None = None
    epoch: float | None = None


def watch(paths: Iterable[Path]) -> Iterator[Watched]:
    """The runs below folders, and those of arrays, which may not have started.

    Raises:
        ResultsError: a folder does not exist or cannot be read.
    """
    seen = set[Path]()
    for path in paths:
        for folder in _planned(path) or run_folders([path]):
            if (resolved := folder.resolve()) not in seen:
                seen.add(resolved)
                yield look_at(folder)


def _planned(path: Path) -> list[Path]:
    """The runs of an array's folder; empty for other folders."""
    try:
        lines = read_regular(path / FOLDERS, MAX_BYTES).decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ResultsError(f"{path / FOLDERS} cannot be read: {error.strerror}") from None
    return [Path(line) for line in lines.splitlines() if line]


def look_at(folder: Path) -> Watched:
    """The state of one run."""
    path = str(folder)
    if (folder / "results.json").exists():
        try:
            results = read_results_json(folder / "results.json", {"steps", "neg_elbo"})
            check_numbers(folder / "results.json", results, {"steps", "neg_elbo"})
        except NfvaeError as error:
            return Watched(path, "failed", message=str(error))
        return Watched(path, "complete", results["steps"], results["steps"], results["neg_elbo"])
    now = read_progress(folder)
    config = _config(folder)
    steps = _steps(config, now)
    if is_locked(folder):
        host = (lock_holder(folder) or "").partition(" on ")[2] or None
        left = _seconds_left(config, now, steps)
        return Watched(path, "running", now.step, steps, now.neg_elbo, left, host)
    message = read_failure(folder) or _error(folder)
    saved = (folder / "checkpoints" / "last.pt").exists()
    state: State = "failed" if message else "saved" if saved else "waiting"
    return Watched(path, state, now.step, steps, now.neg_elbo, message=message)


def read_progress(folder: Path) -> Progress:
    """The last step and training values; without a readable log, nothing."""
    step = None
    with suppress(OSError):
        for at, metrics in latest(folder / "metrics.jsonl"):
            step = at if step is None else step
            if isinstance(neg_elbo := metrics.get("train/neg_elbo"), float):
                speed, epoch = metrics.get("system/images_per_second"), metrics.get("train/epoch")
                return Progress(
                    step,
                    neg_elbo,
                    speed if isinstance(speed, float) else None,
                    epoch if isinstance(epoch, float) else None,
                )
    return Progress(step or 0)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, which is where errors are; "" without a log."""
    try:
        with open_regular(log, 2**40) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _error(folder: Path) -> str | None:
    """The error with which a run ended before it could use its folder.

    A second process that found the folder in use is no failure of the run.
    """
    line = last_line(folder / LOG)
    is_error = line.startswith("error: ") and " is in use by process " not in line
    return printable(line.removeprefix("error: ")) if is_error else None


def _config(folder: Path) -> dict[str, Any]:
    with suppress(NfvaeError):  # a run that has not started, or one that report.py describes
        return read_config_file(folder / "config.yaml")
    return {}


def _steps(config: dict[str, Any], now: Progress) -> int | None:
    steps, epochs = (look_up(config, f"trainer.{key}") for key in ("max_steps", "max_epochs"))
    if isinstance(epochs, int):  # they replace max_steps; a step is a part of an epoch
        return round(now.step / now.epoch * epochs) if now.epoch else None
    return steps if isinstance(steps, int) else None


def _seconds_left(config: dict[str, Any], now: Progress, steps: int | None) -> float | None:
    batch = look_up(config, "trainer.batch_size")
    if steps is None or not now.images_per_second or not isinstance(batch, int):
        return None
    return max(0, steps - now.step) * batch / now.images_per_second
