"""The IDX format of MNIST: a magic number, big-endian dimensions, then the bytes themselves."""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nfvae.data.files import check_digest, check_length, read_start
from nfvae.errors import DataError

Bytes = npt.NDArray[np.uint8]

_UINT8 = 0x08  # the format's code for unsigned bytes; the magic number is 0, 0, code, rank


@dataclass(frozen=True)
class IdxFile:
    """One published IDX file: its name, the array it holds, sha256 of its unzipped bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def names(self) -> tuple[str, str]:
        """The names that people's copies have: train-images-idx3-ubyte, train-images.idx3-ubyte."""
        return self.name, self.name.replace("-idx", ".idx")


def read_idx_file(file: IdxFile, path: Path, known_as: str) -> Bytes:
    """Array of a published IDX file.

    Raises:
        DataError: the file is unreadable, or not the published one byte for byte.
    """
    # One more byte is read, so that extra bytes after the end are detected.
    content = read_start(path, idx_size(file.shape) + 1)
    array = parse_idx(content, file.shape, path)
    check_digest(content, file.sha256, path, known_as)
    return array


def idx_size(shape: tuple[int, ...]) -> int:
    """Bytes of an (unzipped) file that holds an array of unsigned bytes of this shape."""
    return 4 + 4 * len(shape) + prod(shape)


def parse_idx(content: bytes, shape: tuple[int, ...] | None, path: Path) -> Bytes:
    """Array of unsigned bytes in IDX format: a read-only view of `content`.

    Args:
        content: the whole (unzipped) file.
        shape: the shape that the file must have, for example (60000, 28, 28); None allows any shape
            of 1 to 4 axes.
        path: the file's path, for messages.

    Raises:
        DataError: magic number, dimensions or length are not those of an array of this shape.
    """
    rank = content[3] if shape is None and len(content) > 3 else len(shape or (0,))
    header = struct.Struct(f">4B{rank}I")
    if len(content) < header.size:
        must = header.size if shape is None else idx_size(shape)
        raise DataError(f"{path} is cut short: {len(content)} bytes, must be {must}")
    magic = bytes((0, 0, _UINT8, rank))
    if content[:4] != magic or not 1 <= rank <= 4:
        raise DataError(
            f"{path} is not IDX of this kind: it starts with 0x{content[:4].hex()}, "
            f"must be 0x{magic.hex()}"
        )
    dims = header.unpack_from(content)[4:]
    if shape is not None and dims != shape:
        raise DataError(f"{path} says it holds {_times(dims)} bytes, must be {_times(shape)}")
    check_length(len(content), idx_size(dims), path)
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(dims)


def _times(dims: tuple[int, ...]) -> str:
    return "×".join(map(str, dims))
