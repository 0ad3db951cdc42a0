"""Arguments of the scripts that read folders rather than a configuration."""

from argparse import ArgumentParser
from typing import NoReturn


class OneLineParser(ArgumentParser):
    """Wrong arguments are told in one line, as every other error is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help tells more\n")
