"""The folder of a run, with all its files. Only one process at a time can use it.

config.yaml  events.out.tfevents.*  metrics.jsonl  checkpoints/last.pt
checkpoints/best.pt (if the run validates)  results.json (once the run is complete)
evaluation_{split}.json (from evaluate.py)  failure.txt (after an error)  train.log (in a sweep)
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.configuration.config import Config, parse_config
from nfvae.experiments.errors import ConfigError, RunFolderError
from nfvae.experiments.storage.atomic import (
    FULL,
    cannot_write,
    make_folder,
    remove_temporary_files,
    write_atomically,
)
from nfvae.experiments.storage.config_file import read_config_file
from nfvae.experiments.storage.json_file import check_numbers, read_results_json, write_json
from nfvae.experiments.storage.lock import locked
from nfvae.experiments.storage.same_run import check_same_run

# The numbers that the summary of a complete run shows.
SUMMARY = {
    *("neg_elbo", "neg_elbo_se", "distortion", "kl", "sum_log_det", "active_units", "nll"),
    *("nll_se", "num_importance_samples", "steps", "train_seconds"),
}
MAY_BE_NULL = {"nll", "nll_se"}  # null if eval.num_samples was 0


class RunFolder:
    """Paths of a run's files, and its stored configuration and results."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self.results = path / "results.json"

    @contextmanager
    def held(self, config: Config) -> Iterator[None]:
        """Make the folder if it is missing, lock it, and check that it holds no other run.

        Raises:
            FolderInUseError: another process uses it.
        """
        checkpoints, lock = self.last.parent, self.path / ".lock"
        with ExitStack() as stack:
            try:
                for path in (checkpoints, lock, self.config_file, self.metrics, self.results):
                    if path.is_symlink():  # writing would change a file somewhere else
                        raise RunFolderError(
                            f"{path} is a symbolic link; remove it, or use another run.dir"
                        )
                make_folder(checkpoints)
                stack.enter_context(locked(self.path))
            except OSError as error:
                raise self._unusable(error) from None
            for folder in (self.path, checkpoints):
                remove_temporary_files(folder)
            if self.config_file.exists():
                self.check_same(config)
            elif self.last.exists() or self.results.exists():
                raise RunFolderError(
                    f"{self.path} holds a run whose config.yaml is missing, so its settings are "
                    "unknown; put the file back or use another run.dir"
                )
            else:
                text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
                write_atomically(self.config_file, text.encode())
            yield

    @property
    def complete(self) -> bool:
        """Whether the run has its results."""
        try:
            return self.results.exists()
        except OSError as error:
            raise self._unusable(error) from None

    def check_same(self, config: Config) -> None:
        """Check that the folder's run has this configuration."""
        check_same_run(self.path, self._read_config(), config.model_dump(mode="json"))

    def parse_config(self) -> Config:
        """The configuration the run was started with, checked."""
        try:
            return parse_config(self._read_config())
        except ConfigError as error:
            raise ConfigError(f"{self.config_file}: {error}") from None

    def read_results(self) -> dict[str, Any]:
        """results.json of a complete run, checked."""
        results = read_results_json(self.results, SUMMARY | {"split"})
        check_numbers(self.results, results, SUMMARY, or_null=MAY_BE_NULL)
        return results

    def write_results(self, results: dict[str, Any]) -> None:
        """Write results.json, which makes the run complete."""
        write_json(self.results, results)

    def write_evaluation(self, results: dict[str, Any]) -> Path:
        """Write the results of a later evaluation of the run; returns the file."""
        file = self.path / f"evaluation_{results['split']}.json"
        write_json(file, results)
        return file

    def _read_config(self) -> dict[str, Any]:
        config = read_config_file(self.config_file)
        if "likelihood" not in config and "flow" in config:
            raise RunFolderError(
                f"{self.path} holds a run of nfvae 0.1, whose model this version cannot load; "
                "tables and reports still read its results; to train, use another run.dir"
            )
        return config

    def _unusable(self, error: OSError) -> RunFolderError:
        if error.errno in FULL:
            return cannot_write(self.path, error)
        return RunFolderError(
            f"cannot use {self.path} as a run folder: {error.strerror}; choose another run.dir"
        )
