"""Find runs in folders, however deep."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nfvae.errors import ResultsError
from nfvae.storage.config_file import read_config_file
from nfvae.storage.history import latest
from nfvae.storage.json_file import read_results_json
from nfvae.tables.results import Conditions, Results, Run, Unfinished, check

FIT_KEYS = {"energy", "fits"}  # what results of flows fitted to 2-D energies have


@dataclass(frozen=True)
class Collected:
    """Every run below some folders, in order of their paths."""

    runs: list[Run]
    unfinished: list[Unfinished]


def collect(paths: Iterable[Path]) -> Collected:
    """Read the runs below folders. One that is reached twice counts once; 2-D fits are passed over.

    Raises:
        ResultsError, RunFolderError: a folder is not there, or a file in it is damaged.
    """
    runs, unfinished = [], []
    for folder in _run_folders(paths):
        file = folder / "results.json"
        if not file.exists():
            if run := _read_unfinished(folder):
                unfinished.append(run)
            continue
        content = read_results_json(file, set())
        if FIT_KEYS & content.keys():
            continue
        config = folder / "config.yaml"
        results = check(Results, file, content)
        runs.append(Run(folder, results, read_config_file(config) if config.exists() else None))
    return Collected(runs, unfinished)


def _run_folders(paths: Iterable[Path]) -> list[Path]:
    """Folders with results.json or config.yaml, sorted; hidden folders are not entered."""

    def refuse(error: OSError) -> None:
        raise ResultsError(f"cannot read {error.filename}: {error.strerror}")

    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise ResultsError(f"{path} is not a folder; name folders that hold runs")
        for name, subfolders, files in os.walk(path, onerror=refuse):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            if not {"results.json", "config.yaml"}.isdisjoint(files):
                found.setdefault(Path(name).resolve(), Path(name))
    return [found[resolved] for resolved in sorted(found)]


def _read_unfinished(folder: Path) -> Unfinished | None:
    """What config.yaml and metrics.jsonl say of a run that is under way or was cut off.

    None where config.yaml is that of something other than a training run.
    """
    file = folder / "config.yaml"
    config = read_config_file(file)
    if "trainer" not in config:
        return None
    try:
        epochs, steps = (config["trainer"][name] for name in ("max_epochs", "max_steps"))
        content = {
            "path": folder,
            "conditions": Conditions(
                data=config["data"]["name"],
                binarization=config["data"]["binarization"],
                split="test",
                latent_dim=config["model"]["latent_dim"],
                num_importance_samples=config["eval"]["num_samples"],
            ),
            "protocol": config.get("protocol"),
            "flow": config["flow"]["name"],
            "K": config["K"],
            "seed": config["seed"],
            "step": _last_step(folder / "metrics.jsonl"),
            "budget": f"{epochs} epochs" if epochs else f"{steps} steps",
        }
    except (KeyError, TypeError):
        raise ResultsError(f"{file} is not the configuration of a run") from None
    return check(Unfinished, file, content)


def _last_step(metrics: Path) -> int:
    """The step of the last whole line; 0 before the first."""
    try:
        return next((step for step, _ in latest(metrics)), 0)
    except OSError as error:
        raise ResultsError(f"cannot read {metrics}: {error.strerror}") from None
