"""failure.txt: why the last attempt at a run ended in an error; gone once it is tried again."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nfvae.errors import NfvaeError
from nfvae.experiments.storage.atomic import write_atomically

NAME = "failure.txt"


@contextmanager
def failure_recorded(folder: Path) -> Iterator[None]:
    """Forget the last failure of a run, and keep the message of the one to come, if any."""
    file = folder / NAME
    with suppress(OSError):  # a folder that cannot be written shows so soon enough
        file.unlink(missing_ok=True)
    try:
        yield
    except NfvaeError as error:
        with suppress(NfvaeError):  # the first error is the one to tell
            write_atomically(file, f"{error}\n".encode())
        raise


def read_failure(folder: Path) -> str | None:
    """The message; None where the last attempt did not fail, or is under way."""
    try:
        return (folder / NAME).read_text(errors="replace").strip()
    except OSError:
        return None
