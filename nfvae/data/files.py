"""Finding and reading data files. Each failure is a DataError of one line with the file's name.

Files are read as bytes, up to the largest size that the format allows. Nothing in them is executed.
"""

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from nfvae import paths
from nfvae.errors import DataError, NfvaeError

MAX_BYTES = 2**32
"""Largest number of bytes read from one file of unknown length, after unpacking: data sets are held
in memory, and a small packed file may unpack to any size."""

CACHE = "~/.cache/nfvae"
"""Default folder of data sets that are not included in the package."""


def root_folder(root: str) -> Path:
    """A folder given by the user, with ~ expanded.

    Raises:
        DataError: it is empty, or there is no such user.
    """
    if not root:
        raise DataError("root is empty; name the folder that holds the files")
    return expand(root, "root")


def expand(path: str, key: str) -> Path:
    """A path with ~ expanded; `key` names it in the message.

    Raises:
        DataError: it is empty, holds a null character, or there is no such user.
    """
    try:
        return paths.expand(path, key)
    except NfvaeError as error:
        raise DataError(str(error)) from None


def find_file(
    names: str | Sequence[str], root: Path, subfolders: Sequence[str], source: str = ""
) -> Path:
    """Path of a file that has one of these names, with or without .gz, in root or a subfolder.

    Args:
        names: the names that the file may have, in the order of the search.
        root: folder given by the user.
        subfolders: subfolders of root, in the order of the search; "." is root itself.
        source: where to get the file, for the message.

    Raises:
        DataError: root is not a folder, or none of its subfolders holds the file. The message lists
            the accepted names.
    """
    accepted = _tuple(names)
    stated = " or ".join(accepted)
    hint = f"; get it from {source}" if source else ""
    if not root.is_dir():
        fault = "is a file" if root.exists() else "does not exist"
        raise DataError(f"root={root} {fault}; it must be the folder that holds {stated}{hint}")
    places = _places(accepted, root, subfolders)
    for path in places:
        if path.is_file():
            return path
    for path in places:
        if path.is_dir():
            raise DataError(f"{path} is a folder; it must be the data file itself")
        if path.exists():
            raise DataError(f"{path} is not a regular file")
    folders = [root / sub for sub in subfolders]
    where = " or ".join(map(str, folders))
    similar = _similar(accepted, folders)
    rename = f"; if {similar} is that file, rename it" if similar else ""
    raise DataError(
        f"no file in {where} is named {stated}, or so with .gz; root must name the file's folder"
        f"{rename}{hint}"
    )


def has_file(names: str | Sequence[str], root: Path, subfolders: Sequence[str]) -> bool:
    """Whether `find_file` would find it."""
    return any(path.is_file() for path in _places(_tuple(names), root, subfolders))


def _tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _places(names: Sequence[str], root: Path, subfolders: Sequence[str]) -> list[Path]:
    return [root / sub / (name + gz) for name in names for sub in subfolders for gz in ("", ".gz")]


def _similar(names: Sequence[str], folders: Sequence[Path]) -> str:
    """Path of a file whose name resembles one of these, fit for a message; "" if there is none."""
    for folder in folders:
        try:
            files = [entry.name for entry in islice(os.scandir(folder), 1000) if entry.is_file()]
        except OSError:  # no such subfolder, or not readable: there is nothing to suggest
            continue
        for name in names:
            if close := get_close_matches(name, files, n=1, cutoff=0.75):
                return str(folder / printable(close[0]))
    return ""


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Contents of a regular file, unzipped when its name ends in .gz.

    Args:
        path: the file's path. Symbolic links are followed.
        limit: largest size in bytes (unzipped); None is `MAX_BYTES`.

    Raises:
        DataError: the file cannot be read, is not a regular file, is larger than the limit, or is
            not a complete gzip file though its name says so.
    """
    limit = MAX_BYTES if limit is None else limit
    content = read_start(path, limit + 1)
    if len(content) > limit:
        raise DataError(f"{path} is too large: it holds more than {limit} bytes")
    return content


def read_start(path: Path, size: int) -> bytes:
    """The first bytes of a regular file, at most `size`, read like `read_bytes`.

    Raises:
        DataError: as `read_bytes`, except for the limit.
    """
    try:
        with _open_regular(path) as file:
            # read(n) allocates n bytes first, so n is the size of the file, or small.
            if path.suffix != ".gz":
                return file.read(min(size, os.fstat(file.fileno()).st_size))
            with gzip.open(file) as unzipped:
                chunks: list[bytes] = []
                while size and (chunk := unzipped.read(min(size, 2**20))):
                    chunks.append(chunk)
                    size -= len(chunk)
                return b"".join(chunks)
    except EOFError:
        raise DataError(f"{path} is cut short: its gzip stream has no end; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); it must be gzip, as its name says") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _open_regular(path: Path) -> BinaryIO:
    # Opening a fifo would wait for its writer without O_NONBLOCK (which Windows does not have).
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise DataError(f"{path} is {what}; it must be the data file itself")
    return os.fdopen(descriptor, "rb")


def check_digest(content: bytes, sha256: str, path: Path, known_as: str) -> None:
    """Check that the (unzipped) contents are the published ones, byte for byte.

    Raises:
        DataError: they are not.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} is not the published {known_as}: sha256 of its (unzipped) bytes is "
            f"{found}, must be {sha256}"
        )


def printable(name: str) -> str:
    """A name from a file, fit for a message: no line breaks or escape sequences, not too long."""
    return "".join(char if char.isprintable() else "?" for char in name[:100])


def check_length(found: int, size: int, path: Path | str) -> None:
    """Check the number of bytes of a file or of a part of it.

    Raises:
        DataError: the number differs from the one in the header.
    """
    if found != size:
        fault = "is cut short" if found < size else "has extra bytes at its end"
        more = " or more" if found > size else ""  # its reader may have stopped there
        raise DataError(f"{path} {fault}: {found} bytes{more}, must be {size}")
