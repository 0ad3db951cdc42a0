"""One process at a time works on a folder."""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from nfvae.experiments.errors import RunFolderError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's .lock. The system lets go of it when its process dies, however it dies.

    Where the file system has no locks, says so and goes on without.

    Raises:
        RunFolderError: another process holds it.
        OSError: the file cannot be written.
    """
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(200).strip() or "unknown"
            raise RunFolderError(
                f"{folder} is in use by process {holder}; wait for it, or give this run "
                "another run.dir"
            ) from None
        except OSError as error:
            print(
                f"note: no locks on the file system of {folder} ({error.strerror}): "
                "nothing but you keeps two processes from working on it at once",
                file=sys.stderr,
            )
        _write_holder(lock)
        yield


def _write_holder(lock: TextIO) -> None:
    lock.truncate(0)
    lock.write(f"{os.getpid()} on {socket.gethostname()}\n")
    lock.flush()
