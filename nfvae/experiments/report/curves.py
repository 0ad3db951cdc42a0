"""Training curves from metrics.jsonl, without a model or torch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nfvae.experiments.figures.bars import log_det_figure
from nfvae.experiments.figures.curves import (
    BoundCurve,
    bound_figure,
    sweep_figure,
    terms_figure,
    units_figure,
)
from nfvae.experiments.report.graphics import Graphic, vector
from nfvae.experiments.storage.history import Series, read_history
from nfvae.experiments.tables.results import Conditions, Results, Run, Unfinished

TERMS = {"distortion −E log p(x|z)": "distortion", "KL": "kl", "Σ log-det": "log_det"}
SPLITS = {"val": "validation", "train": "training"}
LOG_DET_PREFIX = "flow/log_det_step_"
RANGE_NOTE = "The range of the vertical axis leaves out the first tenth of the steps."


def run_curves(folder: Path, latent_dim: int) -> Iterator[Graphic]:
    """Graphics of one run, from its log."""
    history = read_history(folder / "metrics.jsonl")
    if (split := _split(history)) is None:
        return
    train, val = (history.get(f"{name}/neg_elbo", Series([], [])) for name in ("train", "val"))
    yield vector(bound_figure(train, val), f"−ELBO during training. {RANGE_NOTE}")
    terms = {
        name: history[f"{split}/{key}"]
        for name, key in TERMS.items()
        if f"{split}/{key}" in history
    }
    yield vector(
        terms_figure(terms),
        f"Terms of the {SPLITS[split]} bound: −ELBO = distortion + KL; the KL includes −Σ log-det",
    )
    if active := history.get("val/active_units"):
        yield vector(units_figure(active, latent_dim), "Active units on the validation split")
    if log_dets := _log_dets(history):
        yield vector(
            log_det_figure([series.values[-1] for series in log_dets]),
            f"Log-determinant of each transform, mean over 1,000 {SPLITS[split]} images at "
            f"step {log_dets[0].steps[-1]:,}",
        )


def sweep_curves(runs: Iterable[Run], unfinished: Iterable[Unfinished]) -> Iterator[Graphic]:
    """One figure per flow, for each set of conditions and protocol."""
    groups: dict[tuple[Conditions, str | None, str], dict[str, list[BoundCurve]]]
    groups = defaultdict(lambda: defaultdict(list))
    entries: list[tuple[Path, Results | Unfinished]] = [(run.path, run.results) for run in runs]
    entries += [(run.path, run) for run in unfinished]
    for path, entry in entries:
        history = read_history(path / "metrics.jsonl")
        if (split := _split(history)) is not None:
            bound = history[f"{split}/neg_elbo"]
            curve = BoundCurve(entry.K, bound, complete=isinstance(entry, Results))
            groups[entry.conditions, entry.protocol, split][entry.flow].append(curve)
    for (conditions, protocol, split), by_flow in sorted(groups.items(), key=str):
        gaussian = by_flow.pop("none", [])
        under = f"{conditions}, protocol {protocol}" if protocol else f"{conditions}"
        where = f", {under}" if len(groups) > 1 else ""
        for flow, curves in sorted(by_flow.items()) or [("no flow", gaussian)]:
            several = len(curves) > len({curve.K for curve in curves})
            caption = f"{flow}: {SPLITS[split]} −ELBO during training{where}"
            caption += ", one line per run" if several else ""
            caption += "; dashed: incomplete" if not all(c.complete for c in curves) else ""
            yield vector(
                sweep_figure(curves, [] if flow == "no flow" else gaussian, SPLITS[split]),
                f"{caption}. {RANGE_NOTE}",
            )


def _log_dets(history: Mapping[str, Series]) -> list[Series]:
    """The log-determinants of transforms 1 … K, in numerical order."""
    numbers = {name.removeprefix(LOG_DET_PREFIX): name for name in history}
    return [history[numbers[k]] for k in sorted(filter(str.isdecimal, numbers), key=int)]


def _split(history: Mapping[str, Series]) -> str | None:
    """The split whose bound is drawn: validation if it was measured, else training."""
    return next((split for split in SPLITS if f"{split}/neg_elbo" in history), None)
