"""Arguments of the scripts that read folders rather than a configuration."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import NoReturn


class OneLineParser(ArgumentParser):
    """Wrong arguments are told in one line, as every other error is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help tells more\n")


def path(text: str) -> Path:
    """An argument that names a file or folder; empty, it would be the current folder."""
    if not text:
        raise ArgumentTypeError("must not be empty")
    return Path(text)
