"""Find runs in folders, at any depth."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import ResultsError
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


def require_runs_folder(path: Path) -> None:
    """Check a folder to search for runs.

    Raises:
        ResultsError: it does not exist, or is not a folder.
    """
    if not path.is_dir():
        raise ResultsError(f"{path} is not a folder; name folders that hold runs")


def run_folders(paths: Iterable[Path]) -> list[Path]:
    """Folders with results.json or config.yaml, sorted, without hidden ones."""

    def refuse(error: OSError) -> None:
        raise ResultsError(f"cannot read {error.filename}: {error.strerror}")

    seen: dict[Path, Path | None] = {}  # by resolved path; None for folders without a run
    for path in paths:
        require_runs_folder(path)
        for name, subfolders, files in os.walk(path, onerror=refuse, followlinks=True):
            folder = Path(name)
            if (resolved := folder.resolve()) in seen:
                subfolders.clear()
                continue
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            holds_run = not {"results.json", "config.yaml"}.isdisjoint(files)
            seen[resolved] = folder if holds_run else None
    return [run for resolved in sorted(seen) if (run := seen[resolved]) is not None]
