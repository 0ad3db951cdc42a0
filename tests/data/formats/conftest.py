"""Write MAT-files of version 5, to read them back: the other half of nfvae.data.mat."""

import struct
import sys
import zlib
from types import ModuleType

import numpy as np
import pytest

CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13}
STORED = {"f8": 9, "f4": 7, "i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6}


def element(kind: int, data: bytes, order: str, short: bool = True) -> bytes:
    if short and 0 < len(data) <= 4:
        return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(f"{order}II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name: str, array: np.ndarray, order: str = "<", stored: str | None = None) -> bytes:
    """One array; `stored` is the type of the numbers in the file, where it is smaller."""
    kind = array.dtype.str[1:]
    stored = stored or kind
    numbers = array.astype(order + stored).tobytes(order="F")
    body = (
        element(6, struct.pack(f"{order}II", CLASSES[kind], 0), order)
        + element(5, np.array(array.shape, f"{order}i4").tobytes(), order)
        + element(1, name.encode(), order)
        + element(STORED[stored], numbers, order)
    )
    return struct.pack(f"{order}II", 14, len(body)) + body


def packed(content: bytes, order: str = "<") -> bytes:
    data = zlib.compress(content)
    return struct.pack(f"{order}II", 15, len(data)) + data


def header(order: str = "<", text: bytes = b"MATLAB 5.0 MAT-file") -> bytes:
    return text.ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")


def mat(arrays: dict[str, np.ndarray], pack: bool = True) -> bytes:
    parts = [matrix(name, array) for name, array in arrays.items()]
    return header() + b"".join(packed(part) if pack else part for part in parts)


@pytest.fixture(scope="session")
def matfile() -> ModuleType:
    """The functions above, for the tests beside this file."""
    return sys.modules[__name__]
