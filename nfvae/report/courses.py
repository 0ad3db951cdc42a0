"""Graphics of how training went, from metrics.jsonl alone: no model, no torch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from nfvae.report.graphics import Graphic, vector
from nfvae.reporting.course_figure import (
    Course,
    bound_figure,
    sweep_figure,
    terms_figure,
    units_figure,
)
from nfvae.reporting.units_figure import log_det_figure
from nfvae.storage.history import Series, read_history
from nfvae.tables import Conditions, Results, Run, Unfinished

TERMS = {"distortion −E log p(x|z)": "val/distortion", "KL": "val/kl", "Σ log-det": "val/log_det"}
STEP = "flow/log_det_step_"
NOTE = "The vertical axis is chosen for what comes after the first tenth of the steps."


def run_courses(folder: Path, latent_dim: int) -> Iterator[Graphic]:
    """Of one run; nothing of what was not logged (yet)."""
    history = read_history(folder / "metrics.jsonl")
    if "val/neg_elbo" not in history:
        return
    val, nothing = history["val/neg_elbo"], Series([], [])
    yield vector(
        bound_figure(history.get("train/neg_elbo", nothing), val),
        "bound",
        f"−ELBO while training. {NOTE}",
    )
    terms = {name: history[key] for name, key in TERMS.items() if key in history}
    yield vector(
        terms_figure(terms),
        "terms",
        "Terms of the validation bound: −ELBO = distortion + KL, and the KL holds −Σ log-det",
    )
    if active := history.get("val/active_units"):
        yield vector(
            units_figure(active, latent_dim), "units", "Active units on the validation split"
        )
    if by_step := [history[name] for name in sorted(history) if name.startswith(STEP)]:
        yield vector(
            log_det_figure([series.values[-1] for series in by_step]),
            "logdet",
            "Log-determinant of each step of the flow, mean over 1,000 validation images at the "
            f"last validation (step {val.steps[-1]:,})",
        )


def sweep_courses(runs: Iterable[Run], unfinished: Iterable[Unfinished]) -> Iterator[Graphic]:
    """One figure a flow, under each set of conditions and protocol."""
    groups: dict[tuple[Conditions, str | None], dict[str, list[Course]]]
    groups = defaultdict(lambda: defaultdict(list))
    entries: list[tuple[Path, Results | Unfinished]] = [(run.path, run.results) for run in runs]
    entries += [(run.path, run) for run in unfinished]
    for path, entry in entries:
        if val := read_history(path / "metrics.jsonl").get("val/neg_elbo"):
            course = Course(entry.K, val, complete=isinstance(entry, Results))
            groups[entry.conditions, entry.protocol][entry.flow].append(course)
    for i, ((conditions, protocol), by_flow) in enumerate(sorted(groups.items(), key=str)):
        gaussian = by_flow.pop("none", [])
        where = f", {_condition(conditions, protocol)}" if len(groups) > 1 else ""
        for flow, courses in sorted(by_flow.items()) or [("no flow", gaussian)]:
            several = len(courses) > len({course.K for course in courses})
            caption = f"{flow}: validation −ELBO while training{where}"
            caption += ", one line a seed" if several else ""
            caption += "; dashed: not complete" if not all(c.complete for c in courses) else ""
            yield vector(
                sweep_figure(courses, [] if flow == "no flow" else gaussian),
                f"sweep{i}-{flow}",
                f"{caption}. {NOTE}",
            )


def _condition(conditions: Conditions, protocol: str | None) -> str:
    named = f"{conditions.binarization} binarization, {conditions.latent_dim} latents"
    return named if protocol is None else f"{named}, protocol {protocol}"
