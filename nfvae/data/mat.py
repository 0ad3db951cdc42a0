"""Numeric arrays of MATLAB's MAT-files of version 5 (`save -v6` and `save -v7`).

Written after "MAT-File Format" (MathWorks, 2019), chapter 1. Cells, structures, objects, sparse and
complex arrays are skipped.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nfvae.data import files
from nfvae.errors import DataError

Array = npt.NDArray[Any]

MAT_MAGIC = b"MATLAB "
_HEADER = 128  # text, version and byte order

# The format's codes for stored numbers -> NumPy's.
_NUMBERS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
# Codes of arrays' classes: double to uint64.
_CLASSES = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2"},
    **{11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
_COMPLEX = 0x0800


def parse_mat(content: bytes, path: Path) -> dict[str, Array]:
    """The numeric arrays of a MAT-file, by name.

    Args:
        content: the whole file.
        path: the file's path, for messages.

    Raises:
        DataError: the file is damaged, has another version, or unpacks to more than `MAX_BYTES`.
    """
    if content.startswith(b"MATLAB 7.3"):
        raise DataError(f"{path} is a MAT-file of version 7.3; save it by save(..., '-v7')")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER])
    if not content.startswith(b"MATLAB 5.0") or order is None:
        raise DataError(f"{path} is not a MAT-file of version 5")
    try:
        return dict(_arrays(content[_HEADER:], order))
    except (ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())})") from None


def _arrays(content: bytes, order: str) -> Iterator[tuple[str, Array]]:
    left = files.MAX_BYTES
    for kind, data in _elements(content, order):
        if kind == _COMPRESSED:
            unpack = zlib.decompressobj()
            tag = unpack.decompress(data, 8)
            kind, size = struct.unpack(f"{order}II", tag)
            left -= size
            if left < 0:
                raise ValueError(f"it unpacks to more than {files.MAX_BYTES} bytes")
            data = unpack.decompress(unpack.unconsumed_tail, size) if size else b""
            if len(data) != size:
                raise ValueError("a packed array is cut short")
        if kind == _MATRIX and (found := _array(data, order)) is not None:
            yield found


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element; data elements are padded to 8 bytes, packed ones are not."""
    at = 0
    while at < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        start = at + 8
        if kind >> 16:  # short form: size, type and up to 4 bytes of data in one word of 8 bytes
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise ValueError("a short element holds more than 4 bytes")
            at += 8
        else:
            at = start + size if kind == _COMPRESSED else start + -(-size // 8) * 8
        if start + size > len(content):
            raise ValueError("it is cut short")
        yield kind, content[start : start + size]


def _array(data: bytes, order: str) -> tuple[str, Array] | None:
    """Name and array of a matrix element; None if it is not a plain array of numbers."""
    elements = _elements(data, order)
    header = [next(elements, (0, b"")) for _ in range(3)]
    kinds, (flags, dims, name) = zip(*header, strict=True)
    if kinds != (_UINT32, _INT32, _INT8) or len(flags) != 8:
        raise ValueError("an array has no header")
    word: int = struct.unpack(f"{order}II", flags)[0]
    if word & 0xFF not in _CLASSES or word & _COMPLEX or not name:
        return None
    shape = tuple(np.frombuffer(dims, f"{order}i4").tolist())
    stored, numbers = next(elements, (0, b""))
    flat = np.frombuffer(numbers, order + _NUMBERS[stored])
    if any(size < 0 for size in shape) or flat.size != prod(shape):
        raise ValueError(f"an array of shape {list(shape)} holds {flat.size} numbers")
    # Numbers are stored in the smallest type that holds them; columns come first.
    array = flat.astype(_CLASSES[word & 0xFF], copy=False).reshape(shape, order="F")
    return files.printable(name.decode("ascii", "replace")), array
