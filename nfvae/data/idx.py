"""The IDX format of MNIST: a magic number, big-endian dimensions, then the bytes themselves."""

import struct
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nfvae.errors import DataError

_UINT8 = 0x08  # the format's code for unsigned bytes; the magic number is 0, 0, code, rank


def parse_idx(content: bytes, shape: tuple[int, ...], path: Path) -> npt.NDArray[np.uint8]:
    """Array of unsigned bytes in IDX format: a read-only view of `content`.

    Args:
        content: the whole (unzipped) file.
        shape: what the file must hold, say (60000, 28, 28).
        path: where it came from, for messages.

    Raises:
        DataError: magic number, dimensions or length are not those of an array of this shape.
    """
    header = struct.Struct(f">4B{len(shape)}I")
    size = header.size + prod(shape)
    magic = bytes((0, 0, _UINT8, len(shape)))
    if len(content) < header.size:
        raise DataError(f"{path} is cut short: {len(content)} bytes, must be {size}")
    if content[:4] != magic:
        raise DataError(
            f"{path} is not IDX of this kind: it starts with 0x{content[:4].hex()}, "
            f"must be 0x{magic.hex()}"
        )
    dims = header.unpack_from(content)[4:]
    if dims != shape:
        raise DataError(f"{path} says it holds {_times(dims)} bytes, must be {_times(shape)}")
    if len(content) != size:
        fault = "is cut short" if len(content) < size else "goes on after its end"
        raise DataError(f"{path} {fault}: {len(content)} bytes, must be {size}")
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)


def _times(dims: tuple[int, ...]) -> str:
    return "×".join(map(str, dims))
