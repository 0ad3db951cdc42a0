"""Scalars of a run, to TensorBoard and to metrics.jsonl."""

import json
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from nfvae.errors import RunFolderError
from nfvae.storage.atomic import write_atomically


class MetricsLog:
    """Appends to both; after a resume, goes on from the checkpoint's step without repetition.

    A line of metrics.jsonl is {"step": …, "train/neg_elbo": …, …}. Lines and events later than
    `step`, left by a run that was killed after its last checkpoint, are dropped.
    """

    def __init__(self, folder: Path, metrics: Path, step: int) -> None:
        lines = _lines_until(metrics, step)
        write_atomically(metrics, "".join(lines).encode())
        self._file = metrics.open("a", buffering=1)
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Log values under their names, "group/name"."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        try:
            self._file.write(json.dumps({"step": step, **values}) + "\n")
        except OSError as error:
            raise RunFolderError(f"cannot write {self._file.name}: {error.strerror}") from None

    def image(self, step: int, name: str, image: Tensor) -> None:
        """Log an image [1, H, W] with values in [0, 1]."""
        self._writer.add_image(name, image, step)

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Bring everything to the disk and let go of it."""
        self._writer.close()
        self._file.close()


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
