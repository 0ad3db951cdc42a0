"""Errors of configurations, run folders and files, and their output on the terminal.

In this half of the package, what a user can fix is raised as an `NfvaeError` whose message is one
line. A docstring lists errors only where a caller must tell them apart.
"""

import re
import sys

from nfvae.errors import NfvaeError


class ConfigError(NfvaeError):
    """A configuration value, or a combination of values, that cannot work."""


class CheckpointError(NfvaeError):
    """A checkpoint that is damaged, of another kind, or does not fit the configuration."""


class RunFolderError(NfvaeError):
    """A run folder that is in use, holds another configuration, or cannot be written."""


class FolderInUseError(RunFolderError):
    """A run folder that another process uses."""


class ResultsError(NfvaeError):
    """Results that are damaged or inconsistent."""


def printable(text: str) -> str:
    """Text from a file or a name, with control characters (terminal escapes, newlines) escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(value: object, length: int = 60) -> str:
    """A value as one line of printable text, shortened to `length`."""
    text = printable(" ".join(("null" if value is None else str(value)).split()))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def fail(message: str) -> int:
    """Print one line on standard error; return the exit status 1."""
    message = printable(message)
    short = re.sub(r"\S{300,}", lambda word: f"{word[0][:60]}…{word[0][-30:]}", message)
    print(f"error: {short}", file=sys.stderr)
    return 1
