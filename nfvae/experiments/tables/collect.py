"""Find runs in folders, at any depth."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nfvae.errors import NfvaeError
from nfvae.experiments.storage.search import run_folders
from nfvae.experiments.tables.read import read_evaluation, read_run, read_unfinished
from nfvae.experiments.tables.results import Run, Unfinished


@dataclass(frozen=True)
class Collected:
    """Every run below some folders, in order of their paths."""

    runs: list[Run] = field(default_factory=list)
    evaluations: list[Run] = field(default_factory=list)
    """Results of evaluate.py for complete runs, on another split or with another S."""
    unfinished: list[Unfinished] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """One line per evaluation_*.json that was skipped, with the reason."""


def collect(paths: Iterable[Path]) -> Collected:
    """Read the runs below folders, each folder once. 2-D fits are skipped.

    Raises:
        ResultsError, RunFolderError: a folder does not exist, or a run's own file is damaged.
    """
    found = Collected()
    for folder in run_folders(paths):
        if not (folder / "results.json").exists():
            if unfinished := read_unfinished(folder):
                found.unfinished.append(unfinished)
        elif run := read_run(folder):
            found.runs.append(run)
            for file in sorted(folder.glob("evaluation_*.json")):
                try:
                    again = read_evaluation(run, file)
                except NfvaeError as error:  # the run itself is usable
                    found.warnings.append(str(error))
                else:
                    if again.results.conditions != run.results.conditions:
                        found.evaluations.append(again)
    return found
