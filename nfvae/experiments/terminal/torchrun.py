"""What torchrun tells its processes, and which of them writes to the terminal."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from nfvae.experiments.errors import ConfigError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")

_terminal: tuple[TextIO, TextIO] | None = None


class Place(NamedTuple):
    """This process among those that torchrun started."""

    rank: int
    size: int
    local_rank: int
    """Number of this process on its machine."""
    local_size: int
    """Number of processes on this machine."""


def place() -> Place | None:
    """The place of this process; None if torchrun did not start it with others."""
    found = None
    with suppress(KeyError, ValueError):
        found = Place(*(int(os.environ[name]) for name in VARIABLES))
    return found if found and found.size > 1 else None


def refuse_torchrun(what: str, instead: str) -> None:
    """Refuse what several processes cannot do together.

    Raises:
        ConfigError: torchrun started this process with others.
    """
    if place() is not None:
        raise ConfigError(f"torchrun trains one run by several processes, but {what}; {instead}")


def write_to_terminal(write: bool) -> None:
    """Whether this process writes to its standard output and error, or drops what it prints."""
    global _terminal
    if not write and _terminal is None:
        _terminal = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (until the end)
    elif write and _terminal is not None:
        (sys.stdout, sys.stderr), _terminal = _terminal, None
