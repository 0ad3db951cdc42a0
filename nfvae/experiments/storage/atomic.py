"""Files that are either whole or not there, and folders that stay, whatever happens when."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from nfvae.experiments.errors import RunFolderError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
        sync_folder(path.parent)  # the new name must survive a power loss too
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from None


def make_folder(path: Path) -> None:
    """Make a folder and what is missing above it, so that a power loss cannot take them away.

    Raises:
        OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def make_output_folder(path: Path, key: str) -> None:
    """Make the folder that a command was told to write to; `key` is how it was told: "dir=".

    Raises:
        RunFolderError: it cannot be made or written.
    """
    try:
        make_folder(path)
    except OSError as error:
        raise RunFolderError(
            f"{key}{path} cannot be made: {error.strerror}; choose another {key.strip('= ')}"
        ) from None
    require_writable(path)


def sync_folder(path: Path) -> None:
    """Bring a folder's list of names to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no fsync of folders
            raise
    finally:
        os.close(descriptor)


def require_writable(folder: Path) -> None:
    """Before work whose result goes there.

    Raises:
        RunFolderError: it is missing or read-only.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder; make it, or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RunFolderError(f"{folder} is read-only; choose a folder that can be written")


def require_file(path: Path, suffix: str) -> None:
    """Before work whose result is that file: a name that no file of another kind has.

    Raises:
        RunFolderError: the name does not end so, or its folder is missing or read-only.
    """
    if path.suffix != suffix or path.is_dir():
        raise RunFolderError(f"{path} cannot be written; give a file whose name ends in {suffix}")
    require_writable(path.parent)


def cannot_write(path: Path, error: OSError) -> RunFolderError:
    """What to say, and to do, when writing fails."""
    remedy = (
        "make room and give the same command again"
        if error.errno in FULL
        else "choose a folder that can be written"
    )
    return RunFolderError(
        f"cannot write {path}: {error.strerror or error}; what was there before is kept; {remedy}"
    )
