"""Find runs in folders, however deep."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.tables.read import read_evaluations, read_run, read_unfinished
from nfvae.experiments.tables.results import Run, Unfinished


@dataclass(frozen=True)
class Collected:
    """Every run below some folders, in order of their paths.

    Attributes:
        evaluations: the complete runs again, as evaluate.py found them on another split or with
            another S.
    """

    runs: list[Run]
    evaluations: list[Run]
    unfinished: list[Unfinished]


def collect(paths: Iterable[Path]) -> Collected:
    """Read the runs below folders. One that is reached twice counts once; 2-D fits are passed over.

    Raises:
        ResultsError, RunFolderError: a folder is not there, or a file in it is damaged.
    """
    found = Collected([], [], [])
    for folder in _run_folders(paths):
        if not (folder / "results.json").exists():
            if cut := read_unfinished(folder):
                found.unfinished.append(cut)
        elif run := read_run(folder):
            found.runs.append(run)
            found.evaluations.extend(read_evaluations(run))
    return found


def require_runs_folder(path: Path) -> None:
    """What runs are looked for below.

    Raises:
        ResultsError: it is not there, or no folder.
    """
    if not path.is_dir():
        raise ResultsError(f"{path} is not a folder; name folders that hold runs")


def _run_folders(paths: Iterable[Path]) -> list[Path]:
    """Folders with results.json or config.yaml, sorted; hidden folders are not entered."""

    def refuse(error: OSError) -> None:
        raise ResultsError(f"cannot read {error.filename}: {error.strerror}")

    seen: dict[Path, Path | None] = {}  # by what links lead to; None where there is no run
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
