"""Graphics of how training went, from metrics.jsonl alone: no model, no torch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nfvae.experiments.figures.bars import log_det_figure
from nfvae.experiments.figures.course import (
    Course,
    bound_figure,
    sweep_figure,
    terms_figure,
    units_figure,
)
from nfvae.experiments.report.graphics import Graphic, vector
from nfvae.experiments.storage.history import Series, read_history
from nfvae.experiments.tables import Conditions, Results, Run, Unfinished

TERMS = {"distortion −E log p(x|z)": "distortion", "KL": "kl", "Σ log-det": "log_det"}
SPLITS = {"val": "validation", "train": "training"}
STEP = "flow/log_det_step_"
NOTE = "The vertical axis is chosen for what comes after the first tenth of the steps."


def run_courses(folder: Path, latent_dim: int) -> Iterator[Graphic]:
    """Of one run; nothing of what was not logged (yet)."""
    history = read_history(folder / "metrics.jsonl")
    if (split := _split(history)) is None:
        return
    train, val = (history.get(f"{name}/neg_elbo", Series([], [])) for name in ("train", "val"))
    yield vector(bound_figure(train, val), "bound", f"−ELBO while training. {NOTE}")
    series = {name: history.get(f"{split}/{key}") for name, key in TERMS.items()}
    terms = {name: course for name, course in series.items() if course is not None}
    yield vector(
        terms_figure(terms),
        "terms",
        f"Terms of the {SPLITS[split]} bound: −ELBO = distortion + KL, and the KL holds −Σ log-det",
    )
    if active := history.get("val/active_units"):
        yield vector(
            units_figure(active, latent_dim), "units", "Active units on the validation split"
        )
    if by_step := _in_order_of_steps(history):
        yield vector(
            log_det_figure([series.values[-1] for series in by_step]),
            "logdet",
            f"Log-determinant of each step of the flow, mean over 1,000 {SPLITS[split]} images at "
            f"step {by_step[0].steps[-1]:,}",
        )


def sweep_courses(runs: Iterable[Run], unfinished: Iterable[Unfinished]) -> Iterator[Graphic]:
    """One figure a flow, under each set of conditions and protocol."""
    groups: dict[tuple[Conditions, str | None, str], dict[str, list[Course]]]
    groups = defaultdict(lambda: defaultdict(list))
    entries: list[tuple[Path, Results | Unfinished]] = [(run.path, run.results) for run in runs]
    entries += [(run.path, run) for run in unfinished]
    for path, entry in entries:
        history = read_history(path / "metrics.jsonl")
        if (split := _split(history)) is not None:
            bound = history[f"{split}/neg_elbo"]
            course = Course(entry.K, bound, complete=isinstance(entry, Results))
            groups[entry.conditions, entry.protocol, split][entry.flow].append(course)
    for i, ((conditions, protocol, split), by_flow) in enumerate(sorted(groups.items(), key=str)):
        gaussian = by_flow.pop("none", [])
        where = f", {_condition(conditions, protocol)}" if len(groups) > 1 else ""
        for flow, courses in sorted(by_flow.items()) or [("no flow", gaussian)]:
            several = len(courses) > len({course.K for course in courses})
            caption = f"{flow}: {SPLITS[split]} −ELBO while training{where}"
            caption += ", one line a seed" if several else ""
            caption += "; dashed: not complete" if not all(c.complete for c in courses) else ""
            yield vector(
                sweep_figure(courses, [] if flow == "no flow" else gaussian, SPLITS[split]),
                f"sweep{i}-{flow}",
                f"{caption}. {NOTE}",
            )


def _in_order_of_steps(history: Mapping[str, Series]) -> list[Series]:
    """The log-dets of steps 1 … K by their number, for 100 sorts before 11."""
    numbered = {
        int(number): series
        for name, series in history.items()
        if name.startswith(STEP) and (number := name.removeprefix(STEP)).isdecimal()
    }
    return [numbered[k] for k in sorted(numbered)]


def _split(history: Mapping[str, Series]) -> str | None:
    """Where a run's bound is drawn: on validation images, else (not yet, or never) in training."""
    return next((split for split in SPLITS if f"{split}/neg_elbo" in history), None)


def _condition(conditions: Conditions, protocol: str | None) -> str:
    named = f"{conditions.trained_on}, {conditions.latent_dim} latents"
    return named if protocol is None else f"{named}, protocol {protocol}"
