"""Files that are either whole or not there."""

import os
from pathlib import Path

from nfvae.errors import RunFolderError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old one or the new one.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full; the old file is kept.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name must survive a power loss too
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; what was there before is kept"
        ) from None
