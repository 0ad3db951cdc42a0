"""Arguments of the commands that read folders instead of a configuration."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import printable
from nfvae.paths import expand


class OneLineParser(ArgumentParser):
    """Reports wrong arguments in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see --help\n")


def parse_folders(doc: str | None, arguments: Sequence[str], out: str) -> Namespace:
    """`folder`, `out` and `published`; `doc` is the module's docstring, "NAME: description"."""
    parser = OneLineParser(description=(doc or "").partition(": ")[2])
    help = "runs, or folders with runs below"
    parser.add_argument("folder", nargs="+", type=runs_folder, help=help)
    parser.add_argument("--out", type=_path, help=out)
    help = "leave out published values"
    parser.add_argument("--no-published", dest="published", action="store_false", help=help)
    return parser.parse_args(arguments)


def tell(label: str, text: object) -> None:
    """Print a labelled line on standard error."""
    print(printable(f"{label:10}  {text}"), file=sys.stderr)


def _path(text: str) -> Path:
    """The path of a file or folder, with ~ expanded; not empty."""
    if not text:
        raise ArgumentTypeError("must not be empty")
    try:
        return expand(text, "path")
    except NfvaeError as error:
        raise ArgumentTypeError(str(error)) from None


def runs_folder(text: str) -> Path:
    """A folder, as FOLDER or as run=FOLDER, which evaluate.py takes."""
    return _path(text if Path(text).exists() else text.removeprefix("run=").strip("'\""))
