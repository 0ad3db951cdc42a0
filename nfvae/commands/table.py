"""table.py: the papers' tables and figure 4, from whatever results there are."""

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from nfvae.cli import fail
from nfvae.commands.arguments import OneLineParser
from nfvae.errors import NfvaeError, ResultsError
from nfvae.storage.atomic import make_output_folder, write_atomically
from nfvae.tables import Cell, collect, find_missing, make_cells, make_tables
from nfvae.tables.latex import latex
from nfvae.tables.markdown import markdown
from nfvae.tables.missing import describe_missing
from nfvae.tables.spreadsheet import csv_text


def table(arguments: Sequence[str]) -> int:
    """Returns the exit status; the tables go to standard output, what is missing to the other."""
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument("folder", nargs="+", type=Path, help="runs, or folders with runs below")
    parser.add_argument("--out", type=Path, help="write table.md, .tex, .csv and figures there")
    options = parser.parse_args(arguments)
    try:
        _table(options.folder, options.out)
    except NfvaeError as error:
        return fail(str(error))
    return 0


def _table(folders: Iterable[Path], out: Path | None) -> None:
    found = collect(folders)
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
    if out is not None:
        make_output_folder(out, "--out ")
    print(text, end="")
    if out is not None:
        write_atomically(out / "table.md", text.encode())
        write_atomically(out / "table.tex", latex(tables).encode())
        write_atomically(out / "table.csv", csv_text(cells).encode())
        _save_figures(cells, out)
        print(f"written to  {out}", file=sys.stderr)


def _save_figures(cells: Sequence[Cell], out: Path) -> None:
    """One for each set of conditions under which K varies; the name says which."""
    from nfvae.reporting.length_figure import length_figure  # matplotlib takes a second
    from nfvae.reporting.style import save_pdf, save_png

    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        if figure := length_figure(list(group)):
            data, binarization, split, latent_dim, num_samples = conditions
            name = f"figure_{data}_{binarization}_{split}_D{latent_dim}_S{num_samples}"
            save_png(figure, out / f"{name}.png", dpi=150)
            save_pdf(figure, out / f"{name}.pdf")
