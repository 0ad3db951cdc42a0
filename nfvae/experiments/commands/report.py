"""report.py: a self-contained HTML page on a run or on the runs of a sweep."""

from collections.abc import Sequence

from nfvae.experiments.commands.arguments import parse_folders, tell
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.storage.atomic import require_file, write_atomically
from nfvae.experiments.storage.search import require_runs_folder
from nfvae.experiments.tables.collect import collect
from nfvae.experiments.tables.published import PUBLISHED

NAME = "report.html"


def report(arguments: Sequence[str]) -> int:
    """Write the page; returns the exit status.

    Raises:
        NfvaeError: there is no run, a file of a run is damaged, or the page cannot be written.
    """
    options = parse_folders(__doc__, arguments, f"the page's file; default: {NAME} in the folder")
    for folder in options.folder:
        require_runs_folder(folder)
    if options.out is None and len(options.folder) > 1:
        raise ResultsError("a page on several folders needs a file; give --out FILE")
    file = options.folder[0] / NAME if options.out is None else options.out
    require_file(file, ".html")
    found = collect(options.folder)
    for warning in found.warnings:
        tell("left out", warning)
    from nfvae.experiments.report.page import make_page  # importing matplotlib is slow

    page = make_page(options.folder, found, PUBLISHED if options.published else ())
    write_atomically(file, page.encode(errors="replace"))  # names of folders need not be Unicode
    print(f"written to  {printable(str(file))}")
    return 0
