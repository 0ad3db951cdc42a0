"""The errors that reach a user as one line, without a traceback."""

import re
import sys


class NfvaeError(Exception):
    """Something the user can put right; the message says what was wrong and what would be right."""


class ConfigError(NfvaeError):
    """A configuration value, or a combination of values, that cannot work."""


class DataError(NfvaeError):
    """A data file that is missing, damaged, or not what it claims to be."""


class CheckpointError(NfvaeError):
    """A checkpoint that is damaged, foreign, or does not fit the configuration."""


class RunFolderError(NfvaeError):
    """A run folder that is in use, of another configuration, or cannot be written."""


class DivergenceError(NfvaeError):
    """Training produced a NaN or an infinity."""


class NotInvertibleError(NfvaeError, NotImplementedError):
    """The flow has no computable inverse, so its density is known only at its own samples."""


class ResultsError(NfvaeError):
    """Results that are damaged, or that do not belong in one table."""


def shown(value: object, length: int = 60) -> str:
    """A value on one line, cut where it is long."""
    text = " ".join(("null" if value is None else str(value)).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def fail(message: str) -> int:
    """One line on standard error; returns the exit status."""
    short = re.sub(r"\S{300,}", lambda word: f"{word[0][:60]}…{word[0][-30:]}", message)
    print(f"error: {short}", file=sys.stderr)
    return 1
