"""From an error to one line on standard error and an exit status."""

import sys

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import fail, one_line
from nfvae.experiments.interruption import Interrupted, end_undisturbed
from nfvae.experiments.terminal.call import command_line

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")


def explain(error: BaseException) -> str | None:
    """One line about an error that the user can fix; None for a bug in the program."""
    if isinstance(error, (NfvaeError, Interrupted)):
        return str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, OSError, ImportError))
        and any(words in str(error) for words in OUT_OF_MEMORY)
    ):
        return (
            "out of memory; what was saved is intact: close other programs and give the same "
            "command again, or make the model or the batch smaller in another folder"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}; what was there before is kept"
    return None


def reason(error: BaseException) -> str:
    """One line about any error, for example that of a run in a sweep."""
    return explain(error) or f"{type(error).__name__}: {one_line(error, 200)}"


def report(error: Exception) -> int:
    """Print an error's line; return the exit status.

    Raises:
        Exception: the error itself, if it is a bug in the program.
    """
    if isinstance(error, Interrupted):
        status = end_undisturbed()
        print(f"{error}. To resume: {command_line()}", file=sys.stderr)
        return status
    line = explain(error)
    if line is None:
        raise error
    return fail(line)
