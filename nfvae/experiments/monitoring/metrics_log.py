"""Logs of a run while it trains: scalars in metrics.jsonl, and everything in TensorBoard."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor
from torch.utils.tensorboard import summary

from nfvae.experiments.configuration.config import Config
from nfvae.experiments.errors import RunFolderError
from nfvae.experiments.monitoring.event_file import LAST, EventFile
from nfvae.experiments.monitoring.hyperparameters import hyperparameters
from nfvae.experiments.storage.atomic import cannot_write, write_atomically
from nfvae.experiments.storage.history import MAX_BYTES
from nfvae.experiments.storage.regular_file import append_regular, cannot_read, read_regular

BINS = 80  # of equal width; TensorBoard's 1,500 bins make a file ten times as large

# TensorBoard sorts its charts by name: the bound comes first, and its two curves share a chart. The
# many histograms of log-determinants, the change of volume, come last.
TRAIN_BOUND, VAL_BOUND = "bound/train_neg_elbo", "bound/val_neg_elbo"
EVENT_TAGS = {
    "train/neg_elbo": TRAIN_BOUND,
    "val/neg_elbo": VAL_BOUND,
    "system/images_per_second": "train/images_per_second",
}
LAYOUT = {"bound": {"−ELBO, nats per image": ["Multiline", [TRAIN_BOUND, VAL_BOUND]]}}

# Columns of the HParams table: numbers of results.json, and the validation −ELBO for runs that are
# not complete.
FINAL = ("neg_elbo", "nll", "kl", "distortion", "sum_log_det", "active_units")
HPARAM_METRICS = (VAL_BOUND, *(f"test/{name}" for name in FINAL))


class MetricsLog:
    """Both logs of a run. After a resume they continue at the checkpoint, without duplicate steps.

    A line of metrics.jsonl is {"step": …, "train/neg_elbo": …, …}. Lines and events after `step`,
    from a run that was killed after its last checkpoint, are dropped (at step 0, all of them).

    Raises, as the methods do:
        OSError: the folder cannot be written or the disk is full; see `writing`.
    """

    def __init__(self, folder: Path, metrics: Path, step: int) -> None:
        write_atomically(metrics, b"".join(_lines_until(metrics, step)))
        self._file = append_regular(metrics)
        (folder / LAST).unlink(missing_ok=True)  # left by a run that is trained again
        self._events = EventFile(folder, first_step=step + 1 if step else 0)

    def config(self, config: Config) -> None:
        """Log the configuration as text and as a row of the HParams table; once, at step 0."""
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        experiment, start, _ = _hparams(hyperparameters(config))
        shown = summary.text("config", f"```yaml\n{text}```")
        self._events.add(0, shown, summary.custom_scalars(LAYOUT), experiment, start)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values by name, "group/name"."""
        shown = (summary.scalar(EVENT_TAGS.get(name, name), v) for name, v in values.items())
        self._events.add(step, *shown)
        self.record(step, values)

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Write values to metrics.jsonl only; TensorBoard would show a chart for each."""
        self._file.write(json.dumps({"step": step, **values}).encode() + b"\n")
        self._file.flush()

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Log the distribution of finite values of any shape."""
        shown = (summary.histogram(name, v.cpu().numpy(), BINS) for name, v in values.items())
        self._events.add(step, *shown)

    def images(self, step: int, images: Mapping[str, Tensor]) -> None:
        """Log images [C, H, W], float in [0, 1] or uint8; C is 1 or 3."""
        self._events.add(
            step, *(summary.image(*named, dataformats="CHW") for named in images.items())
        )

    def sync(self) -> None:
        """Flush everything to the disk."""
        self._events.sync()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the files."""
        with self._file:
            self._events.close()


def log_results(folder: Path, step: int, results: Mapping[str, Any]) -> None:
    """Complete the run's row of the HParams table with the numbers of results.json.

    A run that was killed before it wrote results.json logs them again and replaces the first log.
    """
    known = [(f"test/{name}", results[name]) for name in FINAL if results[name] is not None]
    _, _, end = _hparams({})
    with writing(folder), closing(EventFile(folder, first_step=step + 1, last=True)) as events:
        events.add(step, *(summary.scalar(*named) for named in known), end)
        events.sync()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into a RunFolderError with advice."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from None


def _hparams(values: dict[str, str | float]) -> tuple[Any, Any, Any]:
    """Experiment, session start and session end, for the run's own events.

    SummaryWriter.add_hparams would make a sub-run that is named after the time.
    """
    return summary.hparams(values, dict.fromkeys(HPARAM_METRICS, 0.0))  # type: ignore[no-any-return]


def _lines_until(metrics: Path, step: int) -> list[bytes]:
    """Complete lines of a log up to a step; an incomplete last line is dropped."""
    if not step or not metrics.exists():
        return []
    try:
        content = read_regular(metrics, MAX_BYTES)
    except OSError as error:
        raise cannot_read(metrics, error) from None
    kept = []
    try:
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                break
            kept.append(line)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunFolderError(f"{metrics} is damaged ({error}); move it away to continue") from None
    return kept
