"""NumPy's formats .npy and .npz, for arrays of numbers only: no pickle is ever executed."""

import re
import struct
import zlib
from collections.abc import Collection
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from nfvae.data import files
from nfvae.errors import DataError

Array = npt.NDArray[Any]

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"

# NumPy's reader evaluates the header as Python text, and a damaged one raises many kinds of errors.
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]\w+)', 'fortran_order': (True|False), "
    rb"'shape': \((|\d{1,18}(?:, ?\d{1,18})*,?)\),? *\}\s*"
)
_CODES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])


def parse_npy(content: bytes, path: Path | str) -> Array:
    """The array of a .npy file: a read-only view of `content`.

    Args:
        content: the whole file.
        path: the file's path, for messages.

    Raises:
        DataError: it is damaged, or holds something other than booleans, integers or floats.
    """
    offset, header = _header(content)
    found = _HEADER.fullmatch(header)
    if found is None:
        raise DataError(f"{path} is not a .npy file of an array, or its header is damaged")
    code, fortran_order, sizes = (group.decode("ascii") for group in found.groups())
    if code.endswith("O"):
        raise DataError(
            f"{path} holds Python objects, which are never loaded because they can run code; "
            "save an array of numbers"
        )
    if code[1:] not in _CODES:
        raise DataError(f"{path} holds {code}; it must hold booleans, integers or floats")
    dtype = np.dtype(code)
    shape = tuple(int(size) for size in sizes.replace(",", " ").split())
    files.check_length(len(content), offset + prod(shape) * dtype.itemsize, path)
    flat = np.frombuffer(content, dtype, offset=offset)
    return flat.reshape(shape[::-1]).T if fortran_order == "True" else flat.reshape(shape)


def _header(content: bytes) -> tuple[int, bytes]:
    """Offset of the numbers, and the header text before them ("" if missing or too long)."""
    if content[:6] != NPY_MAGIC or content[6:8] not in (b"\1\0", b"\2\0") or len(content) < 12:
        return 0, b""
    start, form = (10, "<H") if content[6] == 1 else (12, "<I")
    size: int = struct.unpack_from(form, content, 8)[0]
    return start + size, content[start : start + size] if size < 1000 else b""


def parse_npz(content: bytes, path: Path, names: Collection[str] | None = None) -> dict[str, Array]:
    """The arrays of a .npz file, by name.

    Args:
        content: the whole file.
        path: the file's path, for messages.
        names: read only these; None reads all.

    Raises:
        DataError: it is damaged, unpacks to more than `MAX_BYTES`, or holds something other than
            arrays of booleans, integers or floats.
    """
    arrays: dict[str, Array] = {}
    left = files.MAX_BYTES
    try:
        with ZipFile(BytesIO(content)) as archive:
            for member in archive.infolist():
                name = files.printable(member.filename.removesuffix(".npy"))
                if names is not None and name not in names:
                    continue
                if name in arrays:
                    raise DataError(f"{path} holds {name} twice")
                if member.flag_bits & 1 or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise DataError(f"{path} is not packed as NumPy does; save it by numpy.savez")
                left -= member.file_size
                if left < 0:
                    raise DataError(
                        f"{path} is too large: it unpacks to more than {files.MAX_BYTES} bytes"
                    )
                # ZipFile never unpacks more than the stated size, which is checked above.
                arrays[name] = parse_npy(archive.read(member), f"{path}, array {name},")
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())})") from None
    return arrays


def find_array(arrays: dict[str, Array], name: str, shape: tuple[int, ...], path: Path) -> Array:
    """The array `name`, which must have this shape.

    Raises:
        DataError: there is no array of this name, or it has another shape.
    """
    if name not in arrays:
        known = ", ".join(sorted(arrays)) or "no arrays of numbers"
        raise DataError(f"{path} has no array {name}; it holds {known}")
    array = arrays[name]
    if array.shape != shape:
        raise DataError(
            f"{path}, array {name}, has the shape {list(array.shape)}, must be {list(shape)}"
        )
    return array
