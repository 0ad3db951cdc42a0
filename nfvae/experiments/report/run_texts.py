"""The texts and numbers of a page about its runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.errors import one_line, printable
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.failure import read_failure
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.storage.same_run import changes_numbers, is_off
from nfvae.experiments.tables import Missing, Run, Unfinished
from nfvae.experiments.tables.layout import NOTHING
from nfvae.experiments.tables.missing import describe_missing


@dataclass(frozen=True)
class Problem:
    """Something that is wrong or missing: kind, place and detail."""

    kind: str
    where: str
    detail: str


def find_problems(
    unfinished: Iterable[Unfinished], missing: Iterable[Missing], warnings: Iterable[str]
) -> list[Problem]:
    """Failed runs, incomplete runs, missing runs, and skipped files, in this order."""
    found = []
    for run in unfinished:
        progress, where = f"at step {run.step:,} of {run.budget}", printable(str(run.path))
        reason = read_failure(run.path)
        if reason is None:
            found.append(Problem("not complete", where, f"{progress}: running, or interrupted"))
        else:
            found.append(Problem("failed", where, f"{progress}: {reason}"))
    found.sort(key=lambda problem: problem.kind != "failed")
    found += [Problem("missing", line, "") for line in describe_missing(missing)]
    return found + [Problem("left out", printable(line), "") for line in warnings]


def read_all_results(run: Run) -> dict[str, Any]:
    """The whole results.json; tables use a part of it."""
    return read_results_json(run.path / "results.json")


def make_row(run: Run, raw: Mapping[str, Any]) -> dict[str, str | int]:
    """The numbers of a complete run, as text; ± is the standard error over test images.

    `raw` is the whole results.json, which has fewer keys in early versions.
    """
    results = run.results
    seconds, log_det = raw.get("train_seconds"), raw.get("sum_log_det")
    return {
        "where": printable(str(run.path)),
        "flow": results.flow,
        "K": results.K,
        "seed": results.seed,
        "neg_elbo": f"{results.neg_elbo:.2f} ± {results.neg_elbo_se:.2f}",
        "nll": NOTHING if results.nll is None else f"{results.nll:.2f} ± {results.nll_se:.2f}",
        "kl": f"{results.kl:.2f}",
        "log_det": f"{log_det:.2f}".replace("-", "−") if isinstance(log_det, float) else NOTHING,
        "active_units": results.active_units,
        "steps": f"{results.steps:,}",
        "minutes": f"{seconds / 60:.1f}" if isinstance(seconds, float) else NOTHING,
    }


def provenance(raw: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(name, value) of versions, device and so on; all values if runs differ."""
    versions = [
        ", ".join(f"{part} {version}" for part, version in found.items())
        for results in raw
        if isinstance(found := results.get("versions"), Mapping)
    ]
    seconds = [s for results in raw if isinstance(s := results.get("train_seconds"), float)]
    entries = [
        ("commit", _unique(results.get("git_commit") for results in raw)),
        ("versions", _unique(versions)),
        ("device", _unique(results.get("device") for results in raw)),
        ("threads per run", _unique(results.get("num_threads") for results in raw)),
        ("parameters", _range(results.get("num_parameters") for results in raw)),
        ("training time, all runs", f"{sum(seconds) / 3600:.2f} h" if seconds else ""),
    ]
    return [(name, value) for name, value in entries if value]


def configuration(configs: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, str]], str]:
    """The keys that vary among configurations, with their values, and the common part as YAML.

    Keys that change no number are ignored. A single configuration is shown completely.
    """
    if len(configs) == 1:
        return [], yaml.safe_dump(dict(configs[0]), sort_keys=False)
    flat = [dict(flatten(config)) for config in configs]
    keys = list(dict.fromkeys(key for leaves in flat for key in leaves if changes_numbers(key)))
    values = {key: {one_line(leaves.get(key, NOTHING), 200) for leaves in flat} for key in keys}
    varying = [
        (printable(key), ", ".join(_sorted_values(found)))
        for key, found in values.items()
        if len(found) > 1 and not all(is_off(leaves.get(key)) for leaves in flat)
    ]
    shared = {key: flat[0][key] for key, found in values.items() if len(found) == 1}
    return varying, yaml.safe_dump(shared, sort_keys=False) if shared else ""


def choose_models(runs: Iterable[Run], max_number: int) -> dict[Path, str]:
    """Choose the runs whose models are shown, with headings.

    For each flow these are the run with the lowest −ELBO and, with three or more runs, the median
    one. The best runs come first, so that as many flows as possible are shown.
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
    chosen = [*best, *medians][:max_number]
    return {run.path: f"{run_title(run)}: {reason}" for run, reason in chosen}


def run_title(run: Run | Unfinished) -> str:
    """For example "planar, K = 10, seed 0"."""
    entry = run.results if isinstance(run, Run) else run
    return f"{entry.flow}, K = {entry.K}, seed {entry.seed}"


def folders_title(folders: Sequence[Path]) -> str:
    """The names of up to three folders, or their number."""
    names = [printable(folder.resolve().name) for folder in folders]
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} folders"


def _unique(values: Iterable[object]) -> str:
    texts = [one_line(value, 200) for value in values if value is not None]
    return ", ".join(dict.fromkeys(texts))


def _range(values: Iterable[object]) -> str:
    numbers = sorted({value for value in values if isinstance(value, int)})
    return " to ".join(f"{number:,}" for number in dict.fromkeys((*numbers[:1], *numbers[-1:])))


def _sorted_values(values: Iterable[str]) -> list[str]:
    """Numbers in ascending order, then the rest."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), ""
        except ValueError:
            return True, 0.0, value

    return sorted(values, key=key)
