"""report.py: one page of HTML, complete in itself, on a run or on the runs of a sweep."""

from collections.abc import Sequence
from pathlib import Path

from nfvae.cli import fail
from nfvae.commands.arguments import OneLineParser
from nfvae.errors import NfvaeError, ResultsError
from nfvae.storage.atomic import write_atomically

NAME = "report.html"


def report(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument("folder", nargs="+", type=Path, help="runs, or folders with runs below")
    parser.add_argument("--out", type=Path, help=f"the page's file; else {NAME} in the folder")
    options = parser.parse_args(arguments)
    try:
        file = _file(options.folder, options.out)
        from nfvae.report.page import make_page  # matplotlib takes a second

        write_atomically(file, make_page(options.folder).encode())
    except NfvaeError as error:
        return fail(str(error))
    print(f"written to  {file}")
    return 0


def _file(folders: Sequence[Path], out: Path | None) -> Path:
    for folder in folders:
        if not folder.is_dir():
            raise ResultsError(f"{folder} is not a folder; name folders that hold runs")
    if out is None and len(folders) > 1:
        raise ResultsError("a page on several folders belongs to none of them; give --out FILE")
    file = folders[0] / NAME if out is None else out
    if file.is_dir() or not file.parent.is_dir():
        raise ResultsError(f"{file} cannot be written; give a file in a folder that exists")
    return file
