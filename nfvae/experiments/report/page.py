"""From folders to the text of a page."""

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import jinja2
from markupsafe import Markup, escape

import nfvae
from nfvae.errors import NfvaeError
from nfvae.experiments.errors import ResultsError
from nfvae.experiments.figures.length import length_figure
from nfvae.experiments.report import facts
from nfvae.experiments.report.courses import run_courses, sweep_courses
from nfvae.experiments.report.graphics import Graphic, colour_variables, vector
from nfvae.experiments.tables import (
    Cell,
    Run,
    Unfinished,
    collect,
    find_missing,
    make_cells,
    make_tables,
)

MOST_MODELS = 8  # shown with pictures


def make_page(folders: Sequence[Path]) -> str:
    """A page on all runs below some folders.

    Raises:
        NfvaeError: there is none, or a file of one is damaged.
    """
    found = collect(folders)
    own = make_cells(found.runs)
    cells = make_cells([*found.runs, *found.evaluations])
    lone = _lone(found.runs, found.unfinished)
    if not found.runs and not found.unfinished:
        named = ", ".join(map(str, folders))
        raise ResultsError(f"no run below {named}; a run has a config.yaml or a results.json")
    raw = [facts.read_raw(run) for run in found.runs]
    configs = [run.config for run in found.runs if run.config is not None]
    problems = facts.problems(found.unfinished, find_missing(own, found.unfinished))
    varying, shared = facts.configuration(configs) if configs else ([], "")
    models, remarks = _models(found.runs)
    return _render(
        title=facts.title(lone) if lone else ", ".join(folder.resolve().name for folder in folders),
        kind="A run" if lone else "A sweep",
        folders=[str(folder) for folder in folders],
        tiles=_tiles(found.runs, own, problems),
        problems=problems,
        tables=make_tables(cells),
        lines=[facts.line(run, results) for run, results in zip(found.runs, raw, strict=True)],
        provenance=facts.provenance(raw),
        varying=varying,
        configuration=shared,
        num_configs=len(configs),
        courses=_courses(lone, found.runs, found.unfinished),
        lengths=_lengths(cells),
        models=models,
        remarks=remarks,
    )


def _lone(runs: Sequence[Run], unfinished: Sequence[Unfinished]) -> Run | Unfinished | None:
    all_runs: list[Run | Unfinished] = [*runs, *unfinished]
    return all_runs[0] if len(all_runs) == 1 else None


def _tiles(
    runs: Sequence[Run], cells: Sequence[Cell], problems: Sequence[facts.Problem]
) -> list[tuple[str, str]]:
    """(value, what it is), the figures to see first."""
    if len(runs) == 1 and not problems:
        results = runs[0].results
        tiles = [(f"{results.neg_elbo:.2f}", f"test −ELBO, ± {results.neg_elbo_se:.2f} nats")]
        if results.nll is not None:
            samples = f"S = {results.num_importance_samples:,}"
            tiles.append(
                (f"{results.nll:.2f}", f"test NLL, ± {results.nll_se:.2f} nats, {samples}")
            )
        units = f"of {results.latent_dim} units active"
        return [*tiles, (f"{results.kl:.2f}", "KL, nats"), (str(results.active_units), units)]
    tiles = [(str(len(runs)), "complete")]
    for kind in ("failed", "not complete", "missing"):
        if number := sum(problem.kind == kind for problem in problems):
            tiles.append((str(number), kind))
    if len({cell.conditions for cell in cells}) == 1:  # numbers under others do not compare
        lowest, best = min((_mean_neg_elbo(cell), i) for i, cell in enumerate(cells))
        model = f"{cells[best].flow}, K = {cells[best].K}"
        tiles.append((f"{lowest:.2f}", f"lowest −ELBO, nats: {model}"))
    return tiles


def _mean_neg_elbo(cell: Cell) -> float:
    return fmean(run.results.neg_elbo for run in cell.runs)


def _courses(
    lone: Run | Unfinished | None, runs: Sequence[Run], unfinished: Sequence[Unfinished]
) -> list[Graphic]:
    if lone is None:
        return list(sweep_courses(runs, unfinished))
    conditions = lone.results.conditions if isinstance(lone, Run) else lone.conditions
    return list(run_courses(lone.path, conditions.latent_dim))


def _lengths(cells: Iterable[Cell]) -> list[Graphic]:
    """The figure against K, for each set of conditions under which K varies."""
    graphics: list[Graphic] = []
    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        if figure := length_figure(list(group)):
            caption = (
                "−ELBO, gap and NLL against the number of flow steps, "
                f"{conditions.trained_on}, {conditions.split} split, "
                f"{conditions.latent_dim} latents, "
                f"S = {conditions.num_importance_samples:,}; dotted: published"
            )
            graphics.append(vector(figure, f"length{len(graphics)}", caption, wide=True))
    return graphics


def _models(runs: Sequence[Run]) -> tuple[list[tuple[str, list[Graphic]]], list[str]]:
    """(heading, graphics) of the models shown, and remarks on those that cannot be."""
    kept = [run for run in runs if run.config is not None and _checkpoint(run).exists()]
    if not kept:
        return [], [
            "No checkpoint is kept here, so there are no pictures of a model."
        ] if runs else []
    from nfvae.experiments.report.models import ModelPictures  # torch takes seconds

    pictures, shown, remarks = ModelPictures(), [], []
    for i, (path, heading) in enumerate(facts.choose(kept, MOST_MODELS).items()):
        try:
            shown.append((heading, pictures.of(path, f"model{i}")))
        except NfvaeError as error:
            remarks.append(f"No pictures of {path}: {error}.")
    if len(kept) < len(runs):
        remarks.append(f"{len(runs) - len(kept)} of {len(runs)} runs have no checkpoint any more.")
    return shown, remarks


def _checkpoint(run: Run) -> Path:
    return run.path / "checkpoints" / f"{run.results.checkpoint}.pt"


def _render(**context: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    light, dark = colour_variables()
    return environment.get_template("page.html").render(
        **context,
        light=Markup(light),
        dark=Markup(dark),
        version=nfvae.__version__,
        made=time.strftime("%Y-%m-%d %H:%M"),
    )


def _code(text: str) -> Markup:
    """What stands between backticks, set as code."""
    parts = [escape(part) for part in text.split("`")]
    tagged = [Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts)]
    return Markup("").join(tagged)
