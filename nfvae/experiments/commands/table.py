"""table.py: tables and figures in the papers' style from the results below some folders."""

from collections.abc import Sequence

from nfvae.experiments.commands.arguments import parse_folders, tell
from nfvae.experiments.errors import ResultsError
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.tables.cells import make_cells
from nfvae.experiments.tables.collect import collect
from nfvae.experiments.tables.latex import latex
from nfvae.experiments.tables.layout import make_tables
from nfvae.experiments.tables.markdown import markdown
from nfvae.experiments.tables.problems import find_problems
from nfvae.experiments.tables.published import PUBLISHED
from nfvae.experiments.tables.spreadsheet import csv_text


def table(arguments: Sequence[str]) -> int:
    """Print the tables, and list missing runs on standard error; returns the exit status.

    Raises:
        NfvaeError: there are no results, or a file of a run is damaged.
    """
    options = parse_folders(__doc__, arguments, "write table.md, .tex, .csv and figures there")
    published = PUBLISHED if options.published else ()
    found = collect(options.folder)
    own = make_cells(found.runs)
    for problem in find_problems(found, own):
        tell(problem.kind, ": ".join(filter(None, [problem.where, problem.detail])))
    if not own:
        raise ResultsError("no complete run below the given folders; a run ends with results.json")
    cells = make_cells([*found.runs, *found.evaluations])
    tables = make_tables(cells, published)
    text = markdown(tables)
    if options.out is not None:
        # importing matplotlib is slow
        from nfvae.experiments.figures.length import length_figures
        from nfvae.experiments.figures.style import save_pdf, save_png

        make_output_folder(options.out, "--out ")
        files = {"md": text, "tex": latex(tables), "csv": csv_text(cells, published)}
        for suffix, content in files.items():
            write_atomically(options.out / f"table.{suffix}", content.encode())
        for conditions, figure in length_figures(cells, published):
            file = options.out / "_".join(["figure", *conditions.parts("")])
            save_png(figure, file.with_name(f"{file.name}.png"), dpi=150)
            save_pdf(figure, file.with_name(f"{file.name}.pdf"))
        tell("written to", options.out)
    print(text, end="")
    return 0
