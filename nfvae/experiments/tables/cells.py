"""Cells of a table: runs that differ in their seeds, as mean ± standard deviation over seeds."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from nfvae.experiments.errors import printable
from nfvae.experiments.tables.results import Conditions, Run
from nfvae.experiments.tables.settings import Settings, as_text, assignments, settings_of

Quantity = Literal["neg_elbo", "nll", "gap", "kl", "active_units"]
# These distinguish runs whose configurations are unknown or equal.
RESULT_SETTINGS = ("steps", "checkpoint", "num_parameters", "model")


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
    """The runs of one model under one protocol, in order of their seeds.

    Attributes:
        variant: the settings or the folder in which this cell differs from others with the same
            conditions, protocol, flow and K; "" if there are no such cells.
    """

    conditions: Conditions
    protocol: str | None
    flow: str
    K: int
    variant: str
    runs: tuple[Run, ...]

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
    def num_parameters(self) -> int:
        """Number of parameters of the whole model."""
        return self.runs[0].results.num_parameters

    def estimate(self, quantity: Quantity) -> Estimate | None:
        """Estimate over seeds, in nats per image (active units: a count); None without an NLL."""
        values = [getattr(run.results, quantity) for run in self.runs]
        return None if None in values else Estimate.of(values)

    def standard_error(self, quantity: Literal["neg_elbo", "nll"]) -> float | None:
        """Standard error over test images, in nats, averaged over runs."""
        values = [getattr(run.results, f"{quantity}_se") for run in self.runs]
        return None if None in values else fmean(values)


def make_cells(runs: Iterable[Run]) -> list[Cell]:
    """Group runs by conditions, protocol, flow, K and variant, the diagonal Gaussian first.

    Copies of a run count once. Runs of one model with different settings, or with the same seed and
    different numbers, become separate cells with a `variant`.
    """
    blocks: dict[tuple[Conditions, str | None], list[Run]] = defaultdict(list)
    for run in _without_copies(runs):
        blocks[run.results.conditions, run.results.protocol].append(run)
    cells = [
        Cell(*block, flow, K, variant, tuple(group))
        for block, members in blocks.items()
        for (flow, K, variant), group in _by_variant(members).items()
    ]
    return sorted(cells, key=_sort_key)


def _sort_key(cell: Cell) -> tuple[Any, ...]:
    flow = (cell.flow != "none", cell.flow)
    return (*cell.conditions, cell.protocol or "", *flow, cell.K, cell.variant)


def _without_copies(runs: Iterable[Run]) -> list[Run]:
    """Runs without copies, in order of seeds and paths.

    A copy has the same results, and the same or no config.yaml.
    """
    kept: dict[tuple[Any, Settings | None], Run] = {}
    for run in sorted(runs, key=lambda run: (run.config is None, run.path)):
        settings = None if run.config is None else settings_of(run.config)
        if settings is not None or all(run.results != results for results, _ in kept):
            kept.setdefault((run.results, settings), run)
    return sorted(kept.values(), key=lambda run: (run.results.seed, run.path))


def _by_variant(runs: Sequence[Run]) -> dict[tuple[str, int, str], list[Run]]:
    """(flow, K, variant) -> runs, for runs of the same conditions and protocol.

    If a model has several settings, the variants of all models name the same keys.
    """
    models: dict[tuple[str, int], dict[Settings, list[Run]]] = defaultdict(dict)
    several_digests = len({run.results.data_digest for run in runs} - {None}) > 1
    for run in sorted(runs, key=lambda run: run.config is None):
        groups = models[run.results.flow, run.results.K]
        settings = _group_of(run, groups)
        if several_digests:
            settings |= {("data_digest", json.dumps(run.results.data_digest))}
        groups.setdefault(settings, []).append(run)
    named = {key for groups in models.values() for key in _differing([*groups.values()])}
    named |= {"data_digest"} if several_digests else set()
    folders = _folder_names([group for groups in models.values() for group in groups.values()])
    cells = defaultdict(list)
    for (flow, K), groups in models.items():
        variants: Counter[str] = Counter()
        for settings, group in groups.items():
            values = {**dict(settings), **dict(_result_settings(group[0]))}
            variant = assignments(
                {key: as_text(json.loads(values[key])) for key in named & values.keys()}
            )
            variants[variant] += 1
            if variants[variant] > 1:  # they differ only in characters that labels leave out
                variant += f" ({variants[variant]})"
            for run in group:
                parts = [part for part in (variant, folders.get(run.path)) if part]
                cells[flow, K, ", ".join(parts)].append(run)
    for group in cells.values():
        group.sort(key=lambda run: run.results.seed)
    return dict(cells)


def _group_of(run: Run, groups: Mapping[Settings, Sequence[Run]]) -> Settings:
    """The group of a run; without config.yaml, the only group with matching results."""
    if run.config is not None:
        return settings_of(run.config) | {
            ("num_parameters", json.dumps(run.results.num_parameters))
        }
    own = _result_settings(run)
    alike = [key for key, group in groups.items() if own in map(_result_settings, group)]
    return alike[0] if len(alike) == 1 else own


def _result_settings(run: Run) -> Settings:
    return frozenset((name, json.dumps(getattr(run.results, name))) for name in RESULT_SETTINGS)


def _differing(groups: Sequence[Sequence[Run]]) -> set[str]:
    """Keys whose values differ between groups of runs, from their configurations if known."""
    known = [settings_of(run.config) for run, *_ in groups if run.config is not None]
    keys = _varying(known)
    if len(known) < len(groups) or (len(groups) > 1 and not keys):
        keys |= _varying([_result_settings(group[0]) for group in groups])
    return keys


def _varying(several: Sequence[Settings]) -> set[str]:
    """Keys that do not have the same value in all settings."""
    shared = several[0].intersection(*several) if several else frozenset()
    return {key for settings in several for key, _ in settings - shared}


def _folder_names(groups: Sequence[Sequence[Run]]) -> dict[Path, str]:
    """If a seed occurs twice in a group: the parent folder or the folder of each run."""
    seeds = [Counter(run.results.seed for run in group) for group in groups]
    if all(times == 1 for counter in seeds for times in counter.values()):
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
