"""table.py: tables and figures in the papers' style from the results below some folders."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from nfvae.experiments.commands.arguments import OneLineParser, path, runs_folder
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.tables import (
    PUBLISHED,
    Cell,
    Published,
    collect,
    find_missing,
    make_cells,
    make_tables,
)
from nfvae.experiments.tables.latex import latex
from nfvae.experiments.tables.markdown import markdown
from nfvae.experiments.tables.missing import describe_missing
from nfvae.experiments.tables.spreadsheet import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table(arguments: Sequence[str]) -> int:
    """Print the tables, and list missing runs on standard error; returns the exit status.

    Raises:
        NfvaeError: there are no results, or a file of a run is damaged.
    """
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument(
        "folder", nargs="+", type=runs_folder, help="runs, or folders with runs below"
    )
    parser.add_argument("--out", type=path, help="write table.md, .tex, .csv and figures there")
    parser.add_argument("--no-published", action="store_true", help="leave out published values")
    options = parser.parse_args(arguments)
    published = () if options.no_published else PUBLISHED
    found = collect(options.folder)
    own = make_cells(found.runs)
    lines = [
        *(f"left out    {warning}" for warning in found.warnings),
        *(f"unfinished  {r.path}: at step {r.step}, of {r.budget}" for r in found.unfinished),
        *(f"missing     {line}" for line in describe_missing(find_missing(own, found.unfinished))),
    ]
    for line in lines:
        print(printable(line), file=sys.stderr)
    if not own:
        raise ResultsError("no complete run below the given folders; a run ends with results.json")
    cells = make_cells([*found.runs, *found.evaluations])
    tables = make_tables(cells, published)
    text = markdown(tables)
    if options.out is not None:
        figures = dict(_figures(cells, published))
        files = {"md": text, "tex": latex(tables), "csv": csv_text(cells, published)}
        _write(options.out, files, figures)
    print(text, end="")
    return 0


def _write(out: Path, files: dict[str, str], figures: dict[str, "Figure"]) -> None:
    from nfvae.experiments.figures.style import save_pdf, save_png

    make_output_folder(out, "--out ")
    for suffix, text in files.items():
        write_atomically(out / f"table.{suffix}", text.encode())
    for name, figure in figures.items():
        save_png(figure, out / f"{name}.png", dpi=150)
        save_pdf(figure, out / f"{name}.pdf")
    print(f"written to  {printable(str(out))}", file=sys.stderr)


def _figures(
    cells: Sequence[Cell], published: Sequence[Published]
) -> Iterator[tuple[str, "Figure"]]:
    """(name, figure) for each set of conditions in which K varies."""
    from nfvae.experiments.figures.length import length_figure  # importing matplotlib is slow

    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        if figure := length_figure(list(group), published):
            yield "_".join(["figure", *conditions.parts("")]), figure
