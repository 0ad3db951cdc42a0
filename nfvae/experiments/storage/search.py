"""Find run folders below other folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from nfvae.experiments.errors import ResultsError


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
