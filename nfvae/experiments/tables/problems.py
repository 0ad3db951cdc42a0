"""What is wrong with the runs below some folders: failed, incomplete and missing ones."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from itertools import groupby, product
from typing import NamedTuple

from nfvae.experiments.errors import printable
from nfvae.experiments.storage.failure import read_failure
from nfvae.experiments.tables.cells import Cell
from nfvae.experiments.tables.collect import Collected
from nfvae.experiments.tables.results import Conditions, Unfinished

# Families whose K is fixed or determined by other options.
OUTSIDE_GRID = {"none", "full_rank", "compose"}


class Problem(NamedTuple):
    """Something that is wrong or missing."""

    kind: str
    where: str
    detail: str = ""


class Missing(NamedTuple):
    """Seeds of a model that have neither results nor an unfinished run."""

    conditions: Conditions
    protocol: str | None
    flow: str
    K: int
    seeds: tuple[int, ...]
    whole: bool
    """Whether the model has no run at all."""


def find_problems(found: Collected, cells: Iterable[Cell]) -> list[Problem]:
    """Failed runs, incomplete runs, missing runs, and skipped files, in this order.

    Args:
        found: the runs.
        cells: cells of the complete runs.
    """
    problems = []
    for run in found.unfinished:
        reason = read_failure(run.path)
        kind = "unfinished" if reason is None else "failed"
        detail = f"at step {run.step:,} of {run.budget}: {reason or 'running, or interrupted'}"
        problems.append(Problem(kind, printable(str(run.path)), detail))
    problems.sort(key=lambda problem: problem.kind != "failed")
    missing = find_missing(cells, found.unfinished)
    problems += [Problem("missing", line) for line in describe_missing(missing)]
    return problems + [Problem("left out", printable(line)) for line in found.warnings]


def find_missing(cells: Iterable[Cell], unfinished: Iterable[Unfinished]) -> list[Missing]:
    """Runs that are missing from the grid of all flows × all K × all seeds that occur.

    Each set of conditions and protocol is a separate grid. All flows with K = 0 are the same model,
    and a sweep trains only one of them.
    """
    grids: dict[tuple[Conditions, str | None], dict[tuple[str, int], set[int]]]
    grids = defaultdict(lambda: defaultdict(set))
    for cell in cells:
        grids[cell.conditions, cell.protocol][cell.flow, cell.K].update(cell.seeds)
    for run in unfinished:
        grids[run.conditions, run.protocol][run.flow, run.K].add(run.seed)
    order = sorted(grids, key=str)
    return [missing for grid in order for missing in _missing_from(*grid, grids[grid])]


def _missing_from(
    conditions: Conditions, protocol: str | None, present: Mapping[tuple[str, int], Set[int]]
) -> list[Missing]:
    gaussians = [model for model in present if model[1] == 0]
    seeds = {model: set(found) for model, found in present.items() if model not in gaussians}
    if gaussians:
        seeds[min(gaussians, key=_order)] = set().union(*(present[model] for model in gaussians))
    flows = {flow for flow, _ in seeds if flow not in OUTSIDE_GRID}
    numbers = {K for flow, K in seeds if flow not in OUTSIDE_GRID and K > 0}
    everything = set().union(*seeds.values())
    return [
        Missing(conditions, protocol, *model, tuple(sorted(absent)), whole=model not in seeds)
        for model in sorted(seeds.keys() | set(product(flows, numbers)), key=_order)
        if (absent := everything - seeds.get(model, set()))
    ]


def _order(model: tuple[str, int]) -> tuple[bool, str, int]:
    return (model[0] != "none", *model)


def describe_missing(missing: Iterable[Missing]) -> list[str]:
    """A line for each model that lacks seeds, and one for all models without any run."""
    lines = []
    for (conditions, protocol), group in groupby(missing, lambda m: (m.conditions, m.protocol)):
        parts = [*conditions.parts(), *([] if protocol is None else [f"protocol={protocol}"])]
        grid, absent = ", ".join(parts), list(group)
        lines += [
            f"flow={m.flow} K={m.K} seed={','.join(map(str, m.seeds))} ({grid})"
            for m in absent
            if not m.whole
        ]
        models = [
            f"flow={flow} K={','.join(str(m.K) for m in models)}"
            for flow, models in groupby((m for m in absent if m.whole), lambda m: m.flow)
        ]
        if models:
            lines.append(f"every seed of {'; '.join(models)} ({grid})")
    return lines
