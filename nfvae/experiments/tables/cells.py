"""Cells of a table: runs that differ in their seeds, as mean ± standard deviation over seeds."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from nfvae.experiments.errors import printable
from nfvae.experiments.tables.results import Conditions, Results, Run
from nfvae.experiments.tables.settings import (
    USUAL,
    Settings,
    as_text,
    assignments,
    settings_of,
    settings_of_results,
)

Quantity = Literal[
    "neg_elbo", "nll", "gap", "neg_elbo_bits_per_dim", "bits_per_dim", "kl", "active_units"
]


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation over n training seeds; no deviation for n = 1."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From one value per seed. The sums are exact, so the order does not matter."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Cell:
    """The runs of one model under one protocol, in order of their seeds."""

    conditions: Conditions
    protocol: str | None
    flow: str
    K: int
    variant: str
    """How it differs from cells of the same conditions, protocol, flow and K: settings or folder.
    "" if there are no such cells."""
    runs: tuple[Run, ...]

    @property
    def first(self) -> Results:
        """Results of the first run; all runs have the same model and settings."""
        return self.runs[0].results

    @property
    def seeds(self) -> list[int]:
        """The seeds, in ascending order."""
        return [run.results.seed for run in self.runs]

    @property
    def steps(self) -> tuple[int, int]:
        """Smallest and largest number of updates of a run; they differ if runs stopped early."""
        steps = [run.results.steps for run in self.runs]
        return min(steps), max(steps)

    @property
    def train_seconds(self) -> float | None:
        """Training time of a run, on average; None if it is unknown for a run."""
        return _mean([run.made.train_seconds for run in self.runs])

    def estimate(self, quantity: Quantity) -> Estimate | None:
        """Estimate over seeds, in the quantity's unit; None if a run does not have it."""
        values = [getattr(run.results, quantity) for run in self.runs]
        return None if None in values else Estimate.of(values)

    def standard_error(self, quantity: Literal["neg_elbo", "nll"]) -> float | None:
        """Standard error over test images, in nats, averaged over runs."""
        return _mean([getattr(run.results, f"{quantity}_se") for run in self.runs])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def make_cells(runs: Iterable[Run]) -> list[Cell]:
    """Group runs by conditions, protocol, flow, K and variant, the diagonal Gaussian first.

    Copies of a run count once. Runs of one model with different settings, or with the same seed and
    different numbers, become separate cells with a `variant`. Runs on data sets of one name with
    different digests have different conditions.
    """
    kept = _without_copies(runs)
    digests: dict[Conditions, set[str]] = defaultdict(set)
    for run in kept:
        if run.results.data_digest is not None:
            digests[run.results.conditions].add(run.results.data_digest)
    blocks: dict[tuple[Conditions, str | None], list[Run]] = defaultdict(list)
    for run in kept:
        conditions = run.results.conditions
        if len(digests[conditions]) > 1:
            conditions = conditions._replace(data_digest=run.results.data_digest)
        blocks[conditions, run.results.protocol].append(run)
    cells = [
        Cell(*block, *model, variant, tuple(sorted(group, key=lambda run: run.results.seed)))
        for block, members in blocks.items()
        for model, variant, group in _by_variant(members)
    ]
    return sorted(cells, key=_sort_key)


def _sort_key(cell: Cell) -> tuple[Any, ...]:
    *conditions, digest = cell.conditions
    flow = (cell.flow != "none", cell.flow)
    return (*conditions, digest or "", cell.protocol or "", *flow, cell.K, cell.variant)


def _without_copies(runs: Iterable[Run]) -> list[Run]:
    """Runs without copies, in order of seeds and paths.

    A copy has the same results, and the same or no config.yaml.
    """
    kept: dict[tuple[Results, Settings | None], Run] = {}
    for run in sorted(runs, key=lambda run: (run.config is None, run.path)):
        settings = None if run.config is None else settings_of(run.config)
        if settings is not None or all(run.results != results for results, _ in kept):
            kept.setdefault((run.results, settings), run)
    return sorted(kept.values(), key=lambda run: (run.results.seed, run.path))


def _by_variant(runs: Sequence[Run]) -> Iterator[tuple[tuple[str, int], str, list[Run]]]:
    """((flow, K), variant, runs), for runs of the same conditions and protocol.

    The variants of all models name the same keys: those in which runs of one flow and K differ,
    and those of USUAL in which any runs differ.
    """
    models: dict[tuple[str, int], dict[Settings, list[Run]]] = defaultdict(dict)
    for run in sorted(runs, key=lambda run: run.config is None):
        groups = models[run.results.flow, run.results.K]
        groups.setdefault(_group_of(run, groups), []).append(run)
    named = {key for groups in models.values() for key in _differing(groups)}
    named |= USUAL.keys() & _varying([key for groups in models.values() for key in groups])
    folders = _folder_names([group for groups in models.values() for group in groups.values()])
    for model, groups in models.items():
        for settings, group in groups.items():
            values = dict(settings | settings_of_results(group[0].results))
            label = assignments(
                {key: as_text(json.loads(values[key])) for key in sorted(named & values.keys())}
            )
            by_folder: dict[str, list[Run]] = defaultdict(list)
            for run in group:
                by_folder[folders.get(run.path, "")].append(run)
            for folder, members in by_folder.items():
                yield model, ", ".join(filter(None, [label, folder])), members


def _group_of(run: Run, groups: Mapping[Settings, Sequence[Run]]) -> Settings:
    """The group of a run; without config.yaml, the only group with matching results."""
    own = settings_of_results(run.results)
    if run.config is not None:
        return settings_of(run.config) | {item for item in own if item[0] == "num_parameters"}
    alike = [
        settings
        for settings, group in groups.items()
        if own in (settings_of_results(member.results) for member in group)
    ]
    return alike[0] if len(alike) == 1 else own


def _differing(groups: Mapping[Settings, Sequence[Run]]) -> set[str]:
    """Keys whose values differ between groups of runs, from their configurations if known."""
    known = [settings_of(run.config) for run, *_ in groups.values() if run.config is not None]
    keys = _varying(known)
    if len(known) < len(groups) or (len(groups) > 1 and not keys):
        keys |= _varying([settings_of_results(run.results) for run, *_ in groups.values()])
    return keys


def _varying(several: Sequence[Settings]) -> set[str]:
    """Keys that do not have the same value in all settings."""
    shared = several[0].intersection(*several) if several else frozenset()
    return {key for settings in several for key, _ in settings - shared}


def _folder_names(groups: Sequence[Sequence[Run]]) -> dict[Path, str]:
    """If a seed occurs twice in a group: the parent folder or the folder of each run."""
    if all(len({run.results.seed for run in group}) == len(group) for group in groups):
        return {}
    start = Path(os.path.commonpath([_parent(run) for group in groups for run in group])).parent
    names = {}
    for group in groups:
        siblings = Counter((_parent(run), run.results.seed) for run in group)
        for run in group:
            repeated = siblings[_parent(run), run.results.seed] > 1
            folder = run.path.resolve() if repeated else _parent(run)
            names[run.path] = printable(os.path.relpath(folder, start))
    return names


def _parent(run: Run) -> Path:
    return run.path.resolve().parent
