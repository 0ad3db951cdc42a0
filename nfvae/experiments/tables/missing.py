"""Runs that a grid of flow × K × seed lacks."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, product

from nfvae.experiments.tables.cells import Cell
from nfvae.experiments.tables.results import Conditions, Unfinished

FIXED_K = {"none": 0, "full_rank": 1}  # families that have one K only


@dataclass(frozen=True)
class Missing:
    """Seeds of a model that have neither results nor a started run.

    Attributes:
        whole: the model has no run at all, of any seed.
    """

    conditions: Conditions
    protocol: str | None
    flow: str
    K: int
    seeds: tuple[int, ...]
    whole: bool


def find_missing(cells: Iterable[Cell], unfinished: Iterable[Unfinished]) -> list[Missing]:
    """The grid is every flow × every K × every seed that some run of its protocol has.

    Each set of conditions and protocol is a grid of its own.
    """
    grids: dict[tuple[Conditions, str | None], dict[tuple[str, int], set[int]]]
    grids = defaultdict(lambda: defaultdict(set))
    for cell in cells:
        grids[cell.conditions, cell.protocol][cell.flow, cell.K].update(cell.seeds)
    for run in unfinished:
        grids[run.conditions, run.protocol][run.flow, run.K].add(run.seed)
    return [
        Missing(conditions, protocol, flow, K, tuple(sorted(absent)), whole=not present[flow, K])
        for (conditions, protocol), present in sorted(
            grids.items(), key=lambda item: (item[0][0], item[0][1] or "")
        )
        for flow, K in _points(present)
        if (absent := set().union(*present.values()) - present[flow, K])
    ]


def describe_missing(missing: Iterable[Missing]) -> list[str]:
    """A line for each model that lacks seeds, and one for all that a grid has no run of."""
    lines = []
    for (conditions, protocol), group in groupby(missing, lambda m: (m.conditions, m.protocol)):
        grid = ", ".join(conditions.words())
        if protocol is not None:
            grid += f", protocol={protocol}"
        absent = list(group)
        lines += [
            f"flow={m.flow} K={m.K} seed={','.join(map(str, m.seeds))} ({grid})"
            for m in absent
            if not m.whole
        ]
        whole = [m for m in absent if m.whole]
        models = [
            f"flow={flow} K={','.join(str(m.K) for m in models)}"
            for flow, models in groupby(whole, lambda m: m.flow)
        ]
        if models:
            lines.append(f"every seed of {'; '.join(models)} ({grid})")
    return lines


def _points(present: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The given points and those that complete them to a product, flow by flow."""
    points = set(present)
    flows = {flow for flow, _ in points if flow not in FIXED_K}
    numbers = {K for flow, K in points if flow not in FIXED_K}
    return sorted(points | set(product(flows, numbers)), key=lambda at: (at[0] != "none", *at))
