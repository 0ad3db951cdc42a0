"""table.py: the papers' tables and figure 4, from whatever results there are."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from nfvae.experiments.commands.arguments import OneLineParser, path
from nfvae.experiments.errors import ResultsError
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.tables import Cell, Table, collect, find_missing, make_cells, make_tables
from nfvae.experiments.tables.latex import latex
from nfvae.experiments.tables.markdown import markdown
from nfvae.experiments.tables.missing import describe_missing
from nfvae.experiments.tables.spreadsheet import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table(arguments: Sequence[str]) -> int:
    """Returns the exit status; raises NfvaeError.

    The tables go to standard output, what is missing to the other.
    """
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument("folder", nargs="+", type=path, help="runs, or folders with runs below")
    parser.add_argument("--out", type=path, help="write table.md, .tex, .csv and figures there")
    options = parser.parse_args(arguments)
    found = collect(options.folder)
    own = make_cells(found.runs)
    for run in found.unfinished:
        print(f"unfinished  {run.path}: at step {run.step}, of {run.budget}", file=sys.stderr)
    for line in describe_missing(find_missing(own, found.unfinished)):
        print(f"missing     {line}", file=sys.stderr)
    if not own:
        raise ResultsError("no complete run below the given folders; a run ends with results.json")
    cells = make_cells([*found.runs, *found.evaluations])
    tables = make_tables(cells)
    text = markdown(tables)
    if options.out is not None:
        _write(options.out, text, tables, cells)
    print(text, end="")
    return 0


def _write(out: Path, text: str, tables: Sequence[Table], cells: Sequence[Cell]) -> None:
    from nfvae.experiments.figures.style import save_pdf, save_png  # matplotlib takes a second

    figures = dict(_figures(cells))
    make_output_folder(out, "--out ")
    write_atomically(out / "table.md", text.encode())
    write_atomically(out / "table.tex", latex(tables).encode())
    write_atomically(out / "table.csv", csv_text(cells).encode())
    for name, figure in figures.items():
        save_png(figure, out / f"{name}.png", dpi=150)
        save_pdf(figure, out / f"{name}.pdf")
    print(f"written to  {out}", file=sys.stderr)


def _figures(cells: Sequence[Cell]) -> Iterator[tuple[str, "Figure"]]:
    """One for each set of conditions under which K varies; the name says which."""
    from nfvae.experiments.figures.length import length_figure

    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        if figure := length_figure(list(group)):
            yield "_".join(["figure", *conditions.words("")]), figure
