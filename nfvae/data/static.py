"""Larochelle's statically binarized MNIST, from the three text files where the reader has them.

The files state no licence, so they are not part of this package. They are one image a line, 784
digits 0 or 1 with spaces between, and they have no labels. Their sha256 is that published by
TensorFlow Datasets (url_checksums/binarized_mnist.txt): a copy that was saved anew, with other
spaces or in another order, is refused, so that `static` in a result means these very images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nfvae.data.files import check_digest, find_file, read_bytes
from nfvae.errors import DataError

# In the folder itself, or in one of the name that the files' first server gave it.
LAYOUTS = (".", "binarized_mnist")


@dataclass(frozen=True)
class AmatFile:
    """One of Larochelle's files: its name, its number of images, sha256 of its bytes."""

    name: str
    num_images: int
    sha256: str


TRAIN = AmatFile(
    "binarized_mnist_train.amat",
    50_000,
    "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
)
VAL = AmatFile(
    "binarized_mnist_valid.amat",
    10_000,
    "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
)
TEST = AmatFile(
    "binarized_mnist_test.amat",
    10_000,
    "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
)


def read_static_file(file: AmatFile, root: Path) -> npt.NDArray[np.uint8]:
    """Images of one file as bytes 0 and 1, shape [num_images, 784].

    Raises:
        DataError: the file is missing, unreadable, or not Larochelle's byte for byte.
    """
    path = find_file(file.name, root, LAYOUTS)
    content = read_bytes(path)
    bits = parse_amat(content, (file.num_images, 784), path)
    check_digest(content, file.sha256, path, file.name)
    return bits


def parse_amat(content: bytes, shape: tuple[int, int], path: Path) -> npt.NDArray[np.uint8]:
    """Lines of spaced digits 0 and 1 as an array of bytes 0 and 1.

    Args:
        content: the whole file.
        shape: lines and digits a line that it must hold.
        path: where it came from, for messages.

    Raises:
        DataError: another number of lines or of digits in a line, or a character that is no digit.
    """
    num_lines, num_digits = shape
    # bytes.translate drops the spaces at memory speed; in all a quarter of np.loadtxt's time, and
    # the line at fault is known.
    lines = content.translate(None, b" \r").splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) != num_digits:
            raise DataError(
                f"{path} line {number} holds {len(line)} digits, must be {num_digits} (0 or 1)"
            )
    if len(lines) != num_lines:
        raise DataError(f"{path} holds {len(lines)} lines, must be {num_lines}")
    bits = np.frombuffer(b"".join(lines), np.uint8).reshape(shape) - np.uint8(ord("0"))
    if (bits > 1).any():  # below "0" wraps around to above 1
        number = int((bits > 1).any(axis=1).argmax()) + 1
        raise DataError(f"{path} line {number} holds something other than the digits 0 and 1")
    return bits
