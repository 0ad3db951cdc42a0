"""The HTML page about the runs below some folders."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

import nfvae
from nfvae.errors import NfvaeError
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.figures.length import length_figures
from nfvae.experiments.report.curves import run_curves, sweep_curves
from nfvae.experiments.report.graphics import Graphic, vector
from nfvae.experiments.report.run_texts import (
    choose_models,
    configuration,
    folders_title,
    provenance,
    run_columns,
    run_title,
)
from nfvae.experiments.tables.cells import Cell, make_cells
from nfvae.experiments.tables.collect import Collected
from nfvae.experiments.tables.layout import make_tables
from nfvae.experiments.tables.problems import Problem, find_problems
from nfvae.experiments.tables.published import PUBLISHED, Published
from nfvae.experiments.tables.results import Run, Unfinished

MAX_MODELS = 8  # models shown with pictures
LENGTHS = "−ELBO, gap and NLL against the number of transforms; dotted: published values. "


def make_page(
    folders: Sequence[Path], found: Collected, published: Sequence[Published] = PUBLISHED
) -> str:
    """A page about the runs that `collect` found below some folders.

    Raises:
        NfvaeError: there are no runs, or a file is damaged.
    """
    all_runs: list[Run | Unfinished] = [*found.runs, *found.unfinished]
    if not all_runs:
        names = ", ".join(map(str, folders))
        raise ResultsError(f"no run below {names}; a run has a config.yaml or a results.json")
    own = make_cells(found.runs)
    cells = make_cells([*found.runs, *found.evaluations])
    configs = [run.config for run in found.runs if run.config is not None]
    problems = find_problems(found, own)
    varying, shared = configuration(configs) if configs else ([], "")
    models, remarks = _models(found.runs)
    single = all_runs[0] if len(all_runs) == 1 else None
    if single is None:
        curves = sweep_curves(found.runs, found.unfinished)
    else:
        entry = single.results if isinstance(single, Run) else single
        curves = run_curves(single.path, entry.latent_dim)
    return _render(
        title=run_title(single) if single else folders_title(folders),
        kind="A run" if single else "A sweep",
        folders=[printable(str(folder)) for folder in folders],
        tiles=_tiles(found.runs, own, problems),
        problems=problems,
        tables=make_tables(cells, published),
        runs=run_columns(found.runs),
        provenance=provenance(found.runs),
        varying=varying,
        configuration=shared,
        num_configs=len(configs),
        curves=list(curves),
        lengths=[
            vector(figure, f"{LENGTHS}{conditions}", wide=True)
            for conditions, figure in length_figures(cells, published)
        ],
        models=models,
        remarks=remarks,
    )


def _tiles(
    runs: Sequence[Run], cells: Sequence[Cell], problems: Sequence[Problem]
) -> list[tuple[str, str]]:
    """(value, its meaning) of the most important numbers."""
    if len(runs) == 1 and not problems:
        results = runs[0].results
        tiles = [(f"{results.neg_elbo:.2f}", f"test −ELBO, ± {results.neg_elbo_se:.2f} nats")]
        if results.nll is not None:
            meaning = f"± {results.nll_se:.2f} nats, S = {results.num_importance_samples:,}"
            tiles.append((f"{results.nll:.2f}", f"test NLL, {meaning}"))
        if results.bits_per_dim is not None:
            tiles.append((f"{results.bits_per_dim:.3f}", "test NLL, bits per dimension"))
        units = f"of {results.latent_dim} units active"
        return [*tiles, (f"{results.kl:.2f}", "KL, nats"), (str(results.active_units), units)]
    tiles = [(str(len(runs)), "complete")]
    for kind in ("failed", "unfinished", "missing"):
        if number := sum(problem.kind == kind for problem in problems):
            tiles.append((str(number), kind))
    if len({cell.conditions for cell in cells}) == 1:  # otherwise they are not comparable
        means = [(e.mean, cell) for cell in cells if (e := cell.estimate("neg_elbo"))]
        lowest, best = min(means, key=lambda pair: pair[0])
        tiles.append((f"{lowest:.2f}", f"lowest −ELBO, nats: {best.flow}, K = {best.K}"))
    return tiles


def _models(runs: Sequence[Run]) -> tuple[list[tuple[str, list[Graphic]]], list[str]]:
    """(heading, graphics) of the chosen models, and remarks on models without graphics."""
    with_model = [
        run
        for run in runs
        if run.config and (run.path / "checkpoints" / f"{run.results.checkpoint}.pt").exists()
    ]
    if not with_model:
        return [], ["There are no checkpoints, so there are no pictures of a model."] * bool(runs)
    from nfvae.experiments.report.models import model_graphics  # importing torch is slow

    models, remarks = [], []
    for path, heading in choose_models(with_model, MAX_MODELS).items():
        try:
            models.append((heading, list(model_graphics(path))))
        except NfvaeError as error:
            remarks.append(printable(f"No pictures of {path}: {error}."))
    if len(with_model) < len(runs):
        remarks.append(f"{len(runs) - len(with_model)} of {len(runs)} runs have no checkpoint.")
    return models, remarks


def _render(**context: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    made = time.strftime("%Y-%m-%d %H:%M")
    page = environment.get_template("page.html")
    return page.render(**context, version=nfvae.__version__, made=made)


def _code(text: str) -> Markup:
    """Text between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    tagged = [Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts)]
    return Markup("").join(tagged)
