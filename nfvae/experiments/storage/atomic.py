"""Write files atomically, and make folders that survive a crash."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from nfvae.experiments.errors import RunFolderError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash at any moment, sees the old or the new content.

    Links are not followed: a link at `path` is replaced by the file.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)  # the new name must survive a power loss too
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from None


def remove_temporary_files(folder: Path) -> None:
    """Delete temporary files that killed processes left in a folder.

    Only the process that holds the folder's lock may call this. evaluate.py writes without the
    lock, so its temporary files stay.
    """
    for path in folder.glob(".*.tmp"):
        if not path.name.startswith(".evaluation_"):
            with suppress(OSError):
                path.unlink()


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents so that they survive a power loss."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def make_output_folder(path: Path, key: str) -> None:
    """Make the output folder of a command. `key` is the option that named it, such as "dir="."""
    try:
        make_folder(path)
    except OSError as error:
        raise RunFolderError(
            f"{key}{path} cannot be made: {error.strerror}; choose another {key.strip('= ')}"
        ) from None
    require_writable(path)


def sync_folder(path: Path) -> None:
    """Flush a folder's list of files to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have no fsync of folders
            raise
    finally:
        os.close(descriptor)


def require_writable(folder: Path) -> None:
    """Check that a folder can be written, before work whose result goes there."""
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder; make it, or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RunFolderError(f"{folder} is read-only; choose a folder that can be written")


def require_file(path: Path, suffix: str) -> None:
    """Check a file's name and folder before work whose result goes there."""
    if path.suffix != suffix or path.is_dir():
        raise RunFolderError(f"{path} cannot be written; give a file whose name ends in {suffix}")
    require_writable(path.parent)


def cannot_write(path: Path, error: OSError) -> RunFolderError:
    """The error for a failed write, with advice."""
    remedy = (
        "make room and give the same command again"
        if error.errno in FULL
        else "choose a folder that can be written"
    )
    return RunFolderError(
        f"cannot write {path}: {error.strerror or error}; what was there before is kept; {remedy}"
    )
