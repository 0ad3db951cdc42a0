"""Finding and reading data files. Each failure is a DataError of one line with the file's name.

Files are read as bytes and nothing in them is executed.
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

from nfvae.errors import DataError


def root_folder(root: str) -> Path:
    """The folder that a user named, with ~ expanded.

    Raises:
        DataError: it is empty, or there is no such user.
    """
    if not root:
        raise DataError("root is empty; name the folder that holds the files")
    try:
        return Path(root).expanduser()
    except RuntimeError:
        raise DataError(f"root={root}: there is no such user") from None


def find_file(name: str, root: Path, subfolders: Sequence[str]) -> Path:
    """Path of `name`, or of `name` with .gz, in the first of root's subfolders that holds it.

    Raises:
        DataError: root is not a folder, or none of its subfolders holds the file.
    """
    if not root.is_dir():
        fault = "is a file" if root.exists() else "does not exist"
        raise DataError(f"root={root} {fault}; it must be the folder that holds {name}")
    folders = [root / sub for sub in subfolders]
    places = [folder / (name + suffix) for folder in folders for suffix in ("", ".gz")]
    for path in places:
        if path.is_file():
            return path
    for path in places:
        if path.is_dir():
            raise DataError(f"{path} is a folder; it must be the data file itself")
    where = " or ".join(map(str, folders))
    raise DataError(f"no {name} and no {name}.gz in {where}; root must name their folder")


def read_bytes(path: Path) -> bytes:
    """Contents of a file, unzipped when its name ends in .gz.

    Raises:
        DataError: the file cannot be read, or is no complete gzip file though its name says so.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except EOFError:
        raise DataError(f"{path} is cut short: its gzip stream has no end; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); it must be gzip, as its name says") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def check_digest(content: bytes, sha256: str, path: Path, known_as: str) -> None:
    """Check that (unzipped) contents are the published ones, byte for byte.

    Raises:
        DataError: they are not.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} is not the published {known_as}: sha256 of its (unzipped) bytes is "
            f"{found}, must be {sha256}"
        )
