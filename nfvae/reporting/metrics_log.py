"""Scalars of a run, to TensorBoard and to metrics.jsonl."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import summary

from nfvae.errors import RunFolderError
from nfvae.reporting.event_file import EventFile
from nfvae.storage.atomic import cannot_write, write_atomically


class MetricsLog:
    """Appends to both; after a resume, goes on from the checkpoint's step without repetition.

    A line of metrics.jsonl is {"step": …, "train/neg_elbo": …, …}. Lines and events later than
    `step`, left by a run that was killed after its last checkpoint, are dropped.

    Raises, as the methods do:
        RunFolderError: the folder cannot be written or the disk is full.
    """

    def __init__(self, folder: Path, metrics: Path, step: int) -> None:
        lines = _lines_until(metrics, step)
        write_atomically(metrics, "".join(lines).encode())
        self._folder = folder
        with self._writing():
            self._file = metrics.open("a")
            self._events = EventFile(folder, first_step=step + 1)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Log values under their names, "group/name"."""
        with self._writing():
            self._events.add(step, *(summary.scalar(*named) for named in values.items()))
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            self._file.flush()

    def image(self, step: int, name: str, image: Tensor) -> None:
        """Log an image [1, H, W] with values in [0, 1]."""
        with self._writing():
            self._events.add(step, summary.image(name, image, dataformats="CHW"))

    def sync(self) -> None:
        """Bring everything to the disk."""
        with self._writing():
            self._events.sync()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the files."""
        with self._writing():
            try:
                self._events.close()
            finally:
                self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self._folder, error) from None


def _lines_until(metrics: Path, step: int) -> list[str]:
    """Whole lines of a log up to a step; a torn last line is dropped.

    Raises:
        RunFolderError: it is not such a log.
    """
    if not step or not metrics.exists():
        return []
    kept = []
    try:
        for line in metrics.read_text().splitlines(keepends=True):
            if not line.endswith("\n") or json.loads(line)["step"] > step:
                break
            kept.append(line)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(f"{metrics} is damaged ({error}); move it away to go on") from None
    return kept
