"""report.py: one page of HTML, complete in itself, on a run or on the runs of a sweep."""

from collections.abc import Sequence
from pathlib import Path

from nfvae.experiments.commands.arguments import OneLineParser, path
from nfvae.experiments.errors import ResultsError
from nfvae.experiments.storage.atomic import require_file, write_atomically
from nfvae.experiments.tables.collect import require_runs_folder

NAME = "report.html"


def report(arguments: Sequence[str]) -> int:
    """Returns the exit status; raises NfvaeError."""
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument("folder", nargs="+", type=path, help="runs, or folders with runs below")
    parser.add_argument("--out", type=path, help=f"the page's file; else {NAME} in the folder")
    options = parser.parse_args(arguments)
    file = _file(options.folder, options.out)
    from nfvae.experiments.report.page import make_page  # matplotlib takes a second

    # Names of folders need not be Unicode.
    write_atomically(file, make_page(options.folder).encode(errors="replace"))
    print(f"written to  {file}")
    return 0


def _file(folders: Sequence[Path], out: Path | None) -> Path:
    for folder in folders:
        require_runs_folder(folder)
    if out is None and len(folders) > 1:
        raise ResultsError("a page on several folders belongs to none of them; give --out FILE")
    file = folders[0] / NAME if out is None else out
    require_file(file, ".html")
    return file
