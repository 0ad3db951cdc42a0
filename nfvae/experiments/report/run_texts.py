"""The texts and numbers of a page about its runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.errors import one_line, printable
from nfvae.experiments.monitoring.summary import not_a_bound
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers, is_off
from nfvae.experiments.tables.layout import NOTHING, Column
from nfvae.experiments.tables.results import Run, Unfinished


def run_columns(runs: Sequence[Run]) -> list[Column]:
    """A table with one row per complete run; ± is the standard error over test images."""
    rows = [
        {
            "flow": run.results.flow,
            "K": str(run.results.K),
            "seed": str(run.results.seed),
            "−ELBO": f"{run.results.neg_elbo:.2f} ± {run.results.neg_elbo_se:.2f}",
            "NLL": _number(run.results.nll, f" ± {run.results.nll_se or 0:.2f}"),
            "KL": _number(run.results.kl),
            "Σ log-det": _number(run.results.sum_log_det),
            "active units": str(run.results.active_units),
            "updates": f"{run.results.steps:,}",
            "minutes": _number(run.made.train_seconds and run.made.train_seconds / 60, digits=1),
            "folder": printable(str(run.path)),
        }
        for run in runs
    ]
    return [
        Column("", head, tuple(row[head] for row in rows), head in ("flow", "folder"))
        for head in (rows[0] if rows else ())
    ]


def _number(value: float | None, after: str = "", digits: int = 2) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}{after}".replace("-", "−")


def provenance(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """(name, value) of versions, device and so on; all values if runs differ."""
    made = [run.made for run in runs]
    numbers = sorted({run.results.num_parameters for run in runs})
    ends = dict.fromkeys((*numbers[:1], *numbers[-1:]))
    seconds = sum(each.train_seconds or 0 for each in made)
    entries: dict[str, list[str | None]] = {
        "commit": [each.git_commit for each in made],
        "versions": [", ".join(map(" ".join, each.versions.items())) for each in made],
        "trained on": [each.machine for each in made],
        "parameters": [" to ".join(f"{number:,}" for number in ends)],
        "objective": [
            None if each.is_bound else not_a_bound(each.beta, each.free_bits)
            for each in (run.results for run in runs)
        ],
        "training time, all runs": [f"{seconds / 3600:.2f} h" if seconds else ""],
    }
    texts = {name: "; ".join(dict.fromkeys(filter(None, found))) for name, found in entries.items()}
    return [(name, text) for name, text in texts.items() if text]


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
        (printable(key), ", ".join(sorted(found, key=_numbers_first)))
        for key, found in values.items()
        if len(found) > 1 and not all(is_off(leaves.get(key)) for leaves in flat)
    ]
    shared = {key: flat[0][key] for key, found in values.items() if len(found) == 1}
    return varying, yaml.safe_dump(shared, sort_keys=False) if shared else ""


def _numbers_first(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def choose_models(runs: Iterable[Run], max_number: int) -> dict[Path, str]:
    """Choose the runs whose models are shown, with headings.

    For each flow these are the run with the lowest −ELBO and, with three or more runs, the median
    one. The best runs come first, so that as many flows as possible are shown.
    """
    by_flow: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.results.neg_elbo):
        by_flow.setdefault(run.results.flow, []).append(run)
    chosen = [(ranked[0], "lowest") for ranked in by_flow.values()]
    chosen += [(each[len(each) // 2], "median") for each in by_flow.values() if len(each) >= 3]
    return {
        run.path: f"{run_title(run)}: {rank} −ELBO of its flow" for run, rank in chosen[:max_number]
    }


def run_title(run: Run | Unfinished) -> str:
    """For example "planar, K = 10, seed 0"."""
    entry = run.results if isinstance(run, Run) else run
    return f"{entry.flow}, K = {entry.K}, seed {entry.seed}"


def folders_title(folders: Sequence[Path]) -> str:
    """The names of up to three folders, or their number."""
    names = [printable(folder.resolve().name) for folder in folders]
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} folders"
