"""failure.txt: the error of the last attempt at a run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nfvae.errors import NfvaeError, StopTraining
from nfvae.experiments.errors import printable
from nfvae.experiments.storage.atomic import write_atomically
from nfvae.experiments.storage.regular_file import read_regular

NAME = "failure.txt"
MAX_BYTES = 2**16


@contextmanager
def failure_recorded(folder: Path) -> Iterator[None]:
    """Delete the record of the last failure, and write one if this attempt fails."""
    file = folder / NAME
    with suppress(OSError):  # a later write reports a read-only folder
        file.unlink(missing_ok=True)
    try:
        yield
    except StopTraining:  # a stop is no failure
        raise
    except Exception as error:
        what = str(error) if isinstance(error, NfvaeError) else f"{type(error).__name__}: {error}"
        with suppress(NfvaeError):  # raise the first error, not one from writing it
            write_atomically(file, f"{what}\n".encode())
        raise


def read_failure(folder: Path) -> str | None:
    """The message as one printable line; None if the last attempt did not fail or still runs."""
    try:
        text = read_regular(folder / NAME, MAX_BYTES).decode(errors="replace")
    except OSError:
        return None
    return printable(" ".join(text.split()))
