"""Arguments of the commands that read folders instead of a configuration."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import NoReturn


class OneLineParser(ArgumentParser):
    """Reports wrong arguments in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see --help\n")


def path(text: str) -> Path:
    """The path of a file or folder, with ~ expanded; not empty."""
    if not text:
        raise ArgumentTypeError("must not be empty")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~name of an unknown user
        raise ArgumentTypeError(f"{text!r}: no such user") from None


def runs_folder(text: str) -> Path:
    """A folder, as FOLDER or as run=FOLDER, which evaluate.py takes."""
    return path(text if Path(text).exists() else text.removeprefix("run=").strip("'\""))
