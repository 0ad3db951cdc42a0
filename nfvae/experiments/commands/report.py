"""report.py: a self-contained HTML page on a run or on the runs of a sweep."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nfvae.experiments.commands.arguments import OneLineParser, path, runs_folder
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.storage.atomic import require_file, write_atomically
from nfvae.experiments.tables import PUBLISHED, collect
from nfvae.experiments.tables.collect import require_runs_folder

NAME = "report.html"


def report(arguments: Sequence[str]) -> int:
    """Write the page; returns the exit status.

    Raises:
        NfvaeError: there is no run, a file of a run is damaged, or the page cannot be written.
    """
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument(
        "folder", nargs="+", type=runs_folder, help="runs, or folders with runs below"
    )
    parser.add_argument("--out", type=path, help=f"the page's file; default: {NAME} in the folder")
    parser.add_argument("--no-published", action="store_true", help="leave out published values")
    options = parser.parse_args(arguments)
    file = _file(options.folder, options.out)
    found = collect(options.folder)
    for warning in found.warnings:
        print(printable(f"left out    {warning}"), file=sys.stderr)
    from nfvae.experiments.report.page import make_page  # importing matplotlib is slow

    page = make_page(options.folder, found, () if options.no_published else PUBLISHED)
    write_atomically(file, page.encode(errors="replace"))  # names of folders need not be Unicode
    print(f"written to  {printable(str(file))}")
    return 0


def _file(folders: Sequence[Path], out: Path | None) -> Path:
    for folder in folders:
        require_runs_folder(folder)
    if out is None and len(folders) > 1:
        raise ResultsError("a page on several folders needs a file; give --out FILE")
    file = folders[0] / NAME if out is None else out
    require_file(file, ".html")
    return file
