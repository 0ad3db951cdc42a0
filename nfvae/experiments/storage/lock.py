"""A lock on a run folder: only one process at a time can use it."""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nfvae.experiments.errors import FolderInUseError, printable


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's .lock. The system releases it when the process ends.

    On a file system without locks, prints a note and continues without one.

    Raises:
        FolderInUseError: another process holds it.
        OSError: the file cannot be opened, or is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder / ".lock", flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = printable(os.read(descriptor, 200).decode(errors="replace").strip()) or "unknown"
        os.close(descriptor)
        raise FolderInUseError(
            f"{folder} is in use by process {holder}; wait for it, or give this run another run.dir"
        ) from None
    except OSError as error:
        print(
            f"note: the file system of {folder} has no locks ({error.strerror}): "
            "make sure that no other process uses this folder",
            file=sys.stderr,
        )
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether another process holds the folder's .lock."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # no such file
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return False
    finally:
        os.close(descriptor)
    return False
