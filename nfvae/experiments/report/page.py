"""The HTML page about the runs below some folders."""

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
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.figures.length import length_figure
from nfvae.experiments.report.curves import run_curves, sweep_curves
from nfvae.experiments.report.graphics import Graphic, colour_variables, vector
from nfvae.experiments.report.run_texts import (
    Problem,
    choose_models,
    configuration,
    find_problems,
    folders_title,
    make_row,
    provenance,
    read_all_results,
    run_title,
)
from nfvae.experiments.tables import (
    PUBLISHED,
    Cell,
    Collected,
    Published,
    Run,
    Unfinished,
    find_missing,
    make_cells,
    make_tables,
)

MAX_MODELS = 8  # models shown with pictures


def make_page(
    folders: Sequence[Path], found: Collected, published: Sequence[Published] = PUBLISHED
) -> str:
    """A page about the runs that `collect` found below some folders.

    Raises:
        NfvaeError: there are no runs, or a file is damaged.
    """
    if not found.runs and not found.unfinished:
        names = ", ".join(map(str, folders))
        raise ResultsError(f"no run below {names}; a run has a config.yaml or a results.json")
    own = make_cells(found.runs)
    cells = make_cells([*found.runs, *found.evaluations])
    single = _single(found)
    raw = [read_all_results(run) for run in found.runs]
    configs = [run.config for run in found.runs if run.config is not None]
    missing = find_missing(own, found.unfinished)
    problems = find_problems(found.unfinished, missing, found.warnings)
    varying, shared = configuration(configs) if configs else ([], "")
    models, remarks = _models(found.runs)
    return _render(
        title=run_title(single) if single else folders_title(folders),
        kind="A run" if single else "A sweep",
        folders=[printable(str(folder)) for folder in folders],
        tiles=_tiles(found.runs, own, problems),
        problems=problems,
        tables=make_tables(cells, published),
        rows=[make_row(run, results) for run, results in zip(found.runs, raw, strict=True)],
        provenance=provenance(raw),
        varying=varying,
        configuration=shared,
        num_configs=len(configs),
        curves=_curves(single, found),
        lengths=_lengths(cells, published),
        models=models,
        remarks=remarks,
    )


def _single(found: Collected) -> Run | Unfinished | None:
    """The only run; None if there are several."""
    runs: list[Run | Unfinished] = [*found.runs, *found.unfinished]
    return runs[0] if len(runs) == 1 else None


def _tiles(
    runs: Sequence[Run], cells: Sequence[Cell], problems: Sequence[Problem]
) -> list[tuple[str, str]]:
    """(value, its meaning) of the most important numbers."""
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
    if len({cell.conditions for cell in cells}) == 1:  # otherwise they are not comparable
        lowest, best = min((_mean_neg_elbo(cell), i) for i, cell in enumerate(cells))
        model = f"{cells[best].flow}, K = {cells[best].K}"
        tiles.append((f"{lowest:.2f}", f"lowest −ELBO, nats: {model}"))
    return tiles


def _mean_neg_elbo(cell: Cell) -> float:
    return fmean(run.results.neg_elbo for run in cell.runs)


def _curves(single: Run | Unfinished | None, found: Collected) -> list[Graphic]:
    if single is None:
        return list(sweep_curves(found.runs, found.unfinished))
    conditions = single.results.conditions if isinstance(single, Run) else single.conditions
    return list(run_curves(single.path, conditions.latent_dim))


def _lengths(cells: Iterable[Cell], published: Sequence[Published]) -> list[Graphic]:
    """The figure against K, for each set of conditions in which K varies."""
    graphics: list[Graphic] = []
    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        members = list(group)
        if figure := length_figure(members, published):
            dotted = any(source.compares_with(cell) for source in published for cell in members)
            caption = (
                "−ELBO, gap and NLL against the number of transforms, "
                f"{conditions.training_data}, {conditions.split} split, "
                f"{conditions.latent_dim} latents, S = {conditions.num_importance_samples:,}"
                + ("; dotted: published" if dotted else "")
            )
            graphics.append(vector(figure, f"length{len(graphics)}", caption, wide=True))
    return graphics


def _models(runs: Sequence[Run]) -> tuple[list[tuple[str, list[Graphic]]], list[str]]:
    """(heading, graphics) of the chosen models, and remarks on models without graphics."""
    with_model = [run for run in runs if run.config is not None and _checkpoint(run).exists()]
    if not with_model:
        return [], ["There are no checkpoints, so there are no pictures of a model."] * bool(runs)
    from nfvae.experiments.report.models import ModelPictures  # importing torch is slow

    pictures, models, remarks = ModelPictures(), [], []
    for i, (path, heading) in enumerate(choose_models(with_model, MAX_MODELS).items()):
        try:
            models.append((heading, pictures.of(path, f"model{i}")))
        except NfvaeError as error:
            remarks.append(printable(f"No pictures of {path}: {error}."))
    if len(with_model) < len(runs):
        remarks.append(f"{len(runs) - len(with_model)} of {len(runs)} runs have no checkpoint.")
    return models, remarks


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
    """Text between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    tagged = [Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts)]
    return Markup("").join(tagged)
