"""A run's folder: everything a run makes lies in it, and one process at a time works on it.

config.yaml  events.out.tfevents.*  metrics.jsonl  checkpoints/last.pt  checkpoints/best.pt (the
latter of a run that validates)
results.json (only once the run is complete)  evaluation_{split}.json (by evaluate.py)
failure.txt (only after an error)  train.log (of a sweep)
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.config import Config, parse_config
from nfvae.experiments.errors import ConfigError, RunFolderError
from nfvae.experiments.storage.atomic import FULL, cannot_write, make_folder, write_atomically
from nfvae.experiments.storage.config_file import read_config_file
from nfvae.experiments.storage.json_file import check_numbers, read_results_json, write_json
from nfvae.experiments.storage.lock import locked
from nfvae.experiments.storage.same_run import changes_numbers, check_same_run

# What a summary of a complete run shows.
SUMMARISED = {
    *("neg_elbo", "neg_elbo_se", "distortion", "kl", "sum_log_det", "active_units", "nll"),
    *("nll_se", "num_importance_samples", "steps", "train_seconds"),
}
MAY_BE_NULL = {"nll", "nll_se"}  # where eval.num_samples was 0

LONGEST_NAME = 160  # file systems take 255 bytes


def default_name(config: Config, overrides: Sequence[str]) -> str:
    """A folder name that the overrides determine: planar_K16_seed0_optim.lr-0.002.

    Flow, K and seed always; then what else the command line sets, in order of the alphabet. The
    characters are those that need no quotes in a shell or on a Hydra command line.
    """
    named = {"flow", "K", "seed"}
    others = sorted(
        override.lstrip("+~")
        for override in overrides
        if (key := override.lstrip("+~").partition("=")[0]) not in named
        and changes_numbers(key)
        and not key.startswith("hydra")
    )
    parts = [config.flow["name"], f"K{config.K}", f"seed{config.seed}"]
    parts += [re.sub(r"[^\w.+-]+", "-", other) for other in others]
    name = "_".join(parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


class RunFolder:
    """Paths of a run and the record of what it was configured to be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self.results = path / "results.json"

    @contextmanager
    def held(self, config: Config) -> Iterator[None]:
        """Work on the folder alone: made if missing, refused if another process or run has it.

        Raises:
            RunFolderError: it cannot be made or written, is in use, or is of another configuration.
        """
        with ExitStack() as stack:
            try:
                make_folder(self.last.parent)
                stack.enter_context(locked(self.path))
            except OSError as error:
                raise self._unusable(error) from None
            self._claim(config)
            yield

    @property
    def complete(self) -> bool:
        """Whether the run's results are there.

        Raises:
            RunFolderError: nothing can be there.
        """
        try:
            return self.results.exists()
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> RunFolderError:
        if error.errno in FULL:
            return cannot_write(self.path, error)
        return RunFolderError(
            f"cannot use {self.path} as a run folder: {error.strerror}; choose another run.dir"
        )

    def _claim(self, config: Config) -> None:
        wanted = config.model_dump(mode="json")
        if not self.config_file.exists():
            if self.last.exists() or self.results.exists():
                raise RunFolderError(
                    f"{self.path} holds a run whose config.yaml is missing, so nothing says what "
                    "run it is; put the file back or use another run.dir"
                )
            write_atomically(self.config_file, yaml.safe_dump(wanted, sort_keys=False).encode())
            return
        self.check_same(config)

    def check_same(self, config: Config) -> None:
        """The folder's run is one of this configuration.

        Raises:
            RunFolderError: it is of another, or its config.yaml cannot be read.
        """
        check_same_run(self.path, self.read_config(), config.model_dump(mode="json"))

    def parse_config(self) -> Config:
        """The configuration the run was started with, checked.

        Raises:
            RunFolderError: there is none, or it cannot be read.
            ConfigError: it is not one of this project, or no longer.
        """
        try:
            return parse_config(self.read_config())
        except ConfigError as error:
            raise ConfigError(f"{self.config_file}: {error}") from None

    def read_config(self) -> dict[str, Any]:
        """The configuration the run was started with.

        Raises:
            RunFolderError: there is none, or it cannot be read.
        """
        return read_config_file(self.config_file)

    def read_results(self) -> dict[str, Any]:
        """results.json of a complete run.

        Raises:
            RunFolderError: it is damaged.
        """
        results = read_results_json(self.results, SUMMARISED | {"split"})
        check_numbers(self.results, results, SUMMARISED, or_null=MAY_BE_NULL)
        return results

    def write_results(self, results: dict[str, Any]) -> None:
        """Declare the run complete."""
        write_json(self.results, results)

    def write_evaluation(self, results: dict[str, Any]) -> Path:
        """Keep what a later evaluation of the run found, beside its own results; returns where."""
        file = self.path / f"evaluation_{results['split']}.json"
        write_json(file, results)
        return file
