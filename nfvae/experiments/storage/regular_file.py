"""Open files of a run folder, which can come from someone else."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal

from nfvae.experiments.errors import RunFolderError


def open_regular(path: Path, limit: int) -> BinaryIO:
    """Open a file for reading if it is a regular file of at most `limit` bytes and not a link.

    Raises:
        OSError: it is not such a file, or cannot be opened.
    """
    file = _open(path, os.O_RDONLY, "rb")
    if (size := os.fstat(file.fileno()).st_size) > limit:
        file.close()
        raise OSError(
            errno.EFBIG, f"it has {size:,} bytes and is larger than {limit:,} bytes", str(path)
        )
    return file


def append_regular(path: Path) -> BinaryIO:
    """Open a file for appending, made if it is missing; raises OSError as `open_regular` does."""
    return _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab")


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a file that `open_regular` accepts; raises OSError as it does."""
    with open_regular(path, limit) as file:
        return file.read(os.fstat(file.fileno()).st_size)  # not more if the file grows


def cannot_read(path: Path, error: OSError) -> RunFolderError:
    """The error for a file whose content may be good."""
    return RunFolderError(
        f"{path} cannot be read: {error.strerror}; its content may be good: keep it, and give the "
        "same command again when the file can be read"
    )


def _open(path: Path, flags: int, mode: Literal["rb", "ab"]) -> BinaryIO:
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return os.fdopen(descriptor, mode)
