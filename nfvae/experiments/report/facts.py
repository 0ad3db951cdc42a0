"""What a page says in words and numbers about the runs it is on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.failure import read_failure
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.storage.same_run import changes_numbers, is_off
from nfvae.experiments.tables import Missing, Run, Unfinished
from nfvae.experiments.tables.layout import NOTHING
from nfvae.experiments.tables.missing import describe_missing


@dataclass(frozen=True)
class Problem:
    """Something a sweep lacks: its kind, where, and what is known of it."""

    kind: str
    where: str
    detail: str


@dataclass(frozen=True)
class Line:
    """A complete run in numbers, as text; ± is the standard error over test images."""

    where: str
    flow: str
    K: int
    seed: int
    neg_elbo: str
    nll: str
    kl: str
    log_det: str
    active_units: int
    steps: str
    minutes: str


def problems(unfinished: Iterable[Unfinished], missing: Iterable[Missing]) -> list[Problem]:
    """Failed runs first, then those that are under way or were cut off, then what never started."""
    found = []
    for run in unfinished:
        at = f"at step {run.step:,} of {run.budget}"
        reason = read_failure(run.path)
        if reason is None:
            found.append(Problem("not complete", str(run.path), f"{at}: under way, or cut off"))
        else:
            found.append(Problem("failed", str(run.path), f"{at}: {reason}"))
    found.sort(key=lambda problem: problem.kind != "failed")
    return found + [Problem("missing", line, "") for line in describe_missing(missing)]


def read_raw(run: Run) -> dict[str, Any]:
    """All of results.json, of which tables take a part."""
    return read_results_json(run.path / "results.json", set())


def line(run: Run, raw: Mapping[str, Any]) -> Line:
    """A run's numbers; what an older results.json lacks is left out."""
    results = run.results
    seconds, log_det = raw.get("train_seconds"), raw.get("sum_log_det")
    return Line(
        where=str(run.path),
        flow=results.flow,
        K=results.K,
        seed=results.seed,
        neg_elbo=f"{results.neg_elbo:.2f} ± {results.neg_elbo_se:.2f}",
        nll=NOTHING if results.nll is None else f"{results.nll:.2f} ± {results.nll_se:.2f}",
        kl=f"{results.kl:.2f}",
        log_det=f"{log_det:.2f}".replace("-", "−") if isinstance(log_det, float) else NOTHING,
        active_units=results.active_units,
        steps=f"{results.steps:,}",
        minutes=f"{seconds / 60:.1f}" if isinstance(seconds, float) else NOTHING,
    )


def provenance(raw: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(name, value) of what made the results; where runs differ, all values."""
    versions = [
        ", ".join(f"{part} {version}" for part, version in found.items())
        for results in raw
        if isinstance(found := results.get("versions"), Mapping)
    ]
    seconds = [s for results in raw if isinstance(s := results.get("train_seconds"), float)]
    facts = [
        ("commit", _unique(results.get("git_commit") for results in raw)),
        ("versions", _unique(versions)),
        ("device", _unique(results.get("device") for results in raw)),
        ("threads a run", _unique(results.get("num_threads") for results in raw)),
        ("parameters", _range(results.get("num_parameters") for results in raw)),
        ("training time, all runs", f"{sum(seconds) / 3600:.2f} h" if seconds else ""),
    ]
    return [(name, value) for name, value in facts if value]


def configuration(configs: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, str]], str]:
    """What varies among configurations, as (key, its values), and the rest as YAML.

    Keys that change no number are not taken for a difference; of one configuration nothing varies.
    """
    if len(configs) == 1:
        return [], yaml.safe_dump(dict(configs[0]), sort_keys=False)
    flat = [dict(flatten(config)) for config in configs]
    keys = list(dict.fromkeys(key for leaves in flat for key in leaves if changes_numbers(key)))
    values = {key: {str(leaves.get(key, NOTHING)) for leaves in flat} for key in keys}
    varying = [
        (key, ", ".join(_in_order(found)))
        for key, found in values.items()
        if len(found) > 1 and not all(is_off(leaves.get(key)) for leaves in flat)
    ]
    shared = {key: flat[0][key] for key, found in values.items() if len(found) == 1}
    return varying, yaml.safe_dump(shared, sort_keys=False) if shared else ""


def choose(runs: Iterable[Run], most: int) -> dict[Path, str]:
    """Of each flow the run of the lowest −ELBO and, of three or more, the median one, with why.

    Best ones come before medians, so that every flow has its turn before `most` are chosen.
    """
    by_flow: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.results.neg_elbo):
        by_flow.setdefault(run.results.flow, []).append(run)
    best = [(ranked[0], "lowest −ELBO of its flow") for ranked in by_flow.values()]
    medians = [
        (ranked[len(ranked) // 2], "median −ELBO of its flow")
        for ranked in by_flow.values()
        if len(ranked) >= 3
    ]
    chosen = [*best, *medians][:most]
    return {run.path: f"{title(run)}: {why}" for run, why in chosen}


def title(run: Run | Unfinished) -> str:
    """planar, K = 10, seed 0."""
    of = run.results if isinstance(run, Run) else run
    return f"{of.flow}, K = {of.K}, seed {of.seed}"


def _unique(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _range(values: Iterable[object]) -> str:
    numbers = sorted({value for value in values if isinstance(value, int)})
    return " to ".join(f"{number:,}" for number in dict.fromkeys((*numbers[:1], *numbers[-1:])))


def _in_order(values: Iterable[str]) -> list[str]:
    """Numbers by size, then words."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), ""
        except ValueError:
            return True, 0.0, value

    return sorted(values, key=key)
