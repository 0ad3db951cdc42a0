"""Runs that differ in their seed alone, as one cell: mean ± standard deviation over seeds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.storage.same_run import differences
from nfvae.experiments.tables.results import Conditions, Run, Unfinished

Quantity = Literal["neg_elbo", "nll", "gap", "kl", "active_units"]


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation over n training seeds; no deviation at n = 1."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From one value a seed; both sums are exact, so the order does not matter."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Cell:
    """The runs of one model under one protocol, in order of their seeds."""

    conditions: Conditions
    protocol: str | None
    flow: str
    K: int
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> list[int]:
        """In ascending order."""
        return [run.results.seed for run in self.runs]

    @property
    def steps(self) -> tuple[int, int]:
        """Fewest and most updates of a run; they differ only where runs stopped early."""
        steps = [run.results.steps for run in self.runs]
        return min(steps), max(steps)

    @property
    def num_parameters(self) -> int:
        """Of the whole model."""
        return self.runs[0].results.num_parameters

    def estimate(self, quantity: Quantity) -> Estimate | None:
        """Over seeds, in nats per image (active units: a count); None without an NLL."""
        values = [getattr(run.results, quantity) for run in self.runs]
        return None if None in values else Estimate.of(values)

    def standard_error(self, quantity: Literal["neg_elbo", "nll"]) -> float | None:
        """Over test images, in nats, averaged over runs: how well one run was measured."""
        values = [getattr(run.results, f"{quantity}_se") for run in self.runs]
        return None if None in values else fmean(values)


def make_cells(runs: Iterable[Run]) -> list[Cell]:
    """Group runs by conditions, protocol, flow and K, in that order, the plain Gaussian first.

    Raises:
        ResultsError: a cell has a seed twice, or runs of different settings.
    """
    groups = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.results.seed, run.path)):
        groups[_key(run)].append(run)
    cells = [Cell(*key, tuple(group)) for key, group in groups.items()]
    for cell in cells:
        _check_seeds(cell)
        _check_settings(cell)
    return sorted(cells, key=place)


def place(entry: Cell | Unfinished) -> tuple[Any, ...]:
    """Where a cell, or a run that will be part of one, stands in a table."""
    flow = (entry.flow != "none", entry.flow)
    return (*entry.conditions, entry.protocol or "", *flow, entry.K)


def _key(run: Run) -> tuple[Conditions, str | None, str, int]:
    results = run.results
    return results.conditions, results.protocol, results.flow, results.K


def _check_seeds(cell: Cell) -> None:
    by_seed: dict[int, Run] = {}
    for run in cell.runs:
        if other := by_seed.get(run.results.seed):
            raise ResultsError(
                f"{other.path} and {run.path} are both {_name(cell)}, seed {run.results.seed}; "
                "give only one of them"
            )
        by_seed[run.results.seed] = run


def _check_settings(cell: Cell) -> None:
    first = cell.runs[0]
    for run in cell.runs[1:]:
        differing = [f"{key}={left}, {key}={right}" for key, left, right in _differing(first, run)]
        if differing:
            raise ResultsError(
                f"{first.path} and {run.path} are both {_name(cell)}, but of different settings "
                f"({'; '.join(differing[:4])}); give only runs that differ in the seed"
            )


def _differing(a: Run, b: Run) -> list[tuple[str, Any, Any]]:
    """By config.yaml where both have one; else by what results.json says of the settings."""
    if a.config is not None and b.config is not None:
        names = ["checkpoint", "num_parameters"]
        found = list(differences(a.config, b.config))
    else:
        names = ["checkpoint", "num_parameters", "steps"]
        found = []
    found += [(name, getattr(a.results, name), getattr(b.results, name)) for name in names]
    return [(key, left, right) for key, left, right in found if left != right and key != "seed"]


def _name(cell: Cell) -> str:
    protocol = "" if cell.protocol is None else f"protocol {cell.protocol}, "
    return f"{protocol}flow={cell.flow} K={cell.K}"
