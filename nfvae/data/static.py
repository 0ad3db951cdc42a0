"""Statically binarized MNIST: the one draw of bits that most papers call binarized MNIST.

Salakhutdinov & Murray (2008) drew the bits. Larochelle published them as three text files without
labels: one image per line, 784 digits 0 or 1 with spaces between them. The package embeds the bits
in a packed archive (see data/mnist/README.md). With `root`, your own copy is read: the text files
or the archive. The sha256 of the text files is from TensorFlow Datasets (url_checksums/
binarized_mnist.txt).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nfvae.data.amat import Bytes, parse_amat
from nfvae.data.assemble import Images
from nfvae.data.dataset import SplitName
from nfvae.data.files import check_digest, find_file, has_file, read_bytes
from nfvae.data.npy import find_array, parse_npz
from nfvae.errors import DataError

EMBEDDED = Path(__file__).parent / "mnist" / "static_bits.npz"

PACKED = ("static_bits.npz", "static_mnist_bits.npz")

MAX_PACKED_BYTES = 10_000_000  # of the archive; its 70,000 rows of 98 bytes are 6.9 million

# In the folder itself, or in a folder with the name that it had on the files' first server.
LAYOUTS = (".", "binarized_mnist")


@dataclass(frozen=True)
class AmatFile:
    """One split: Larochelle's file name, sha256 of the file and of the bits, one byte each."""

    split: str
    name: str
    num_images: int
    sha256: str
    bits_sha256: str


TRAIN = AmatFile(
    "train",
    "binarized_mnist_train.amat",
    50_000,
    "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "43490d4d6ac9002727af4426d8748609fdb7e4094fa65ad8d681ea60082a7a5a",
)
VAL = AmatFile(
    "valid",
    "binarized_mnist_valid.amat",
    10_000,
    "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "069b4f0beb389b776478c3e872b4df71c95ac4be64d7cbe6d32e24ebac8e6d5e",
)
TEST = AmatFile(
    "test",
    "binarized_mnist_test.amat",
    10_000,
    "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    "ca0294c3b8d984c7a1dc891015a8eea6f37bae59a34e35ea0fc8c47110a8dd86",
)
FILES: dict[SplitName, AmatFile] = {"train": TRAIN, "val": VAL, "test": TEST}


def read_static_mnist(root: Path | None) -> dict[SplitName, Images]:
    """The three splits, bits as 0 and 255, without labels.

    Args:
        root: folder with your copy of Larochelle's text files or of the packed archive
            static_bits.npz; None reads the embedded archive.

    Raises:
        DataError: a file is missing, unreadable, or not the published one.
    """
    return {name: Images(_reader(root)(file) * np.uint8(255)) for name, file in FILES.items()}


def _reader(root: Path | None) -> Callable[[AmatFile], Bytes]:
    if root is None:
        return read_embedded
    if has_file(PACKED, root, LAYOUTS):
        return partial(read_packed, path=find_file(PACKED, root, LAYOUTS))
    return partial(read_static_file, root=root)


def read_embedded(file: AmatFile) -> Bytes:
    """One split from the embedded archive, as bytes 0 and 1: [num_images, 1, 28, 28].

    Raises:
        DataError: the archive is damaged.
    """
    try:
        return read_packed(file, EMBEDDED)
    except DataError as error:
        raise DataError(f"{error}; install the package again") from None


def read_packed(file: AmatFile, path: Path) -> Bytes:
    """One split from a packed archive, as bytes 0 and 1: [num_images, 1, 28, 28].

    Args:
        file: the split.
        path: a .npz file with arrays train, valid and test, rows of 98 bytes by numpy.packbits.

    Raises:
        DataError: the file is unreadable, damaged, or holds other bits.
    """
    arrays = parse_npz(read_bytes(path, MAX_PACKED_BYTES), path, [file.split])
    packed = find_array(arrays, file.split, (file.num_images, 98), path)
    if packed.dtype != np.uint8:
        raise DataError(f"{path}, array {file.split}, holds {packed.dtype}, must hold uint8")
    bits = np.unpackbits(packed.astype(np.uint8, copy=False), axis=1, count=784)
    check_digest(bits.tobytes(), file.bits_sha256, path, f"static MNIST {file.split}")
    return bits.reshape(file.num_images, 1, 28, 28)


def read_static_file(file: AmatFile, root: Path) -> Bytes:
    """Images of one text file as bytes 0 and 1: [num_images, 1, 28, 28].

    Raises:
        DataError: the file is missing, unreadable, or not Larochelle's byte for byte.
    """
    # The packed archive is named too, for the message: it was looked for before.
    path = find_file((file.name, *PACKED), root, LAYOUTS)
    # At most a space after each digit and two characters at the end of each line.
    content = read_bytes(path, file.num_images * (2 * 784 + 2))
    bits = parse_amat(content, (file.num_images, 784), path)
    check_digest(content, file.sha256, path, file.name)
    return bits.reshape(file.num_images, 1, 28, 28)
