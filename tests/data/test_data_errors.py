"""Every fault of data files is one line that names the file."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nfvae.data import load_dataset, mnist, static
from nfvae.data.amat import parse_amat
from nfvae.data.files import find_file, read_bytes
from nfvae.data.idx import parse_idx
from nfvae.errors import DataError

LABELS = mnist.TEST_LABELS
LABELS_GZ = f"{LABELS.name}.gz"


def one_line(call: Callable[[], Any], *parts: str, error: type[Exception] = DataError) -> None:
    """Check that the call fails with a single line that holds all the parts."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def zipped(name: str = LABELS_GZ) -> bytes:
    return (mnist.EMBEDDED / name).read_bytes()


def labels(root: Path) -> Any:
    return mnist.read_mnist_file(LABELS, root)


def test_unknown_names() -> None:
    one_line(lambda: load_dataset("cifar"), "data set 'cifar'", "mnist", error=ValueError)
    one_line(
        lambda: load_dataset("mnist", binarization="threshold"),
        "binarization='threshold'",
        "dynamic, fixed, static",
        error=ValueError,
    )
    one_line(
        lambda: load_dataset("mnist", folder="x"),
        "no option 'folder'",
        "binarization, root, train_on_val",
        error=ValueError,
    )


@pytest.mark.parametrize("binarization", ["dynamic", "fixed", "static"])
def test_an_empty_root_is_not_the_working_directory(binarization: str) -> None:
    one_line(lambda: load_dataset("mnist", root="", binarization=binarization), "root is empty")


def test_root_of_an_unknown_user() -> None:
    one_line(lambda: load_dataset("mnist", root="~no_such_user_"), "~no_such_user_", "no such user")


def test_root_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    one_line(lambda: load_dataset("mnist", root="~/mine"), str(tmp_path / "mine"))


def test_root_that_does_not_exist(tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    one_line(
        lambda: load_dataset("mnist", root=str(root)), f"root={root} does not exist", "must be"
    )


def test_root_that_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / "mnist.zip"
    root.write_bytes(b"")
    one_line(lambda: load_dataset("mnist", root=str(root)), f"root={root} is a file", "folder")


def test_missing_file(tmp_path: Path) -> None:
    shutil.copy(mnist.EMBEDDED / LABELS_GZ, tmp_path)
    one_line(
        lambda: load_dataset("mnist", root=str(tmp_path)),
        "no file in",
        "is named train-images-idx3-ubyte",
        str(tmp_path),
        str(tmp_path / "MNIST/raw"),
    )


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / LABELS.name).mkdir()
    one_line(lambda: labels(tmp_path), str(tmp_path / LABELS.name), "is a folder", "must be")


def test_a_file_beside_a_folder_of_its_name_is_found(tmp_path: Path) -> None:
    (tmp_path / LABELS.name).mkdir()
    shutil.copy(mnist.EMBEDDED / LABELS_GZ, tmp_path)
    assert find_file(LABELS.name, tmp_path, ["."]) == tmp_path / LABELS_GZ


def test_truncated_gzip(tmp_path: Path) -> None:
    (tmp_path / LABELS_GZ).write_bytes(zipped()[:-100])
    one_line(lambda: labels(tmp_path), LABELS_GZ, "cut short")


@pytest.mark.parametrize("content", [b"<html>not here</html>", b"\x1f\x8b\x08\x00garbage" * 9])
def test_not_gzip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LABELS_GZ).write_bytes(content)
    one_line(lambda: labels(tmp_path), LABELS_GZ, "damaged", "must be gzip")


def test_flipped_bits_in_gzip(tmp_path: Path) -> None:
    content = bytearray(zipped())
    content[-8] ^= 1  # the checksum of the unzipped bytes
    (tmp_path / LABELS_GZ).write_bytes(content)
    one_line(lambda: labels(tmp_path), LABELS_GZ, "damaged", "CRC")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    one_line(lambda: read_bytes(tmp_path / "x"), str(tmp_path / "x"), "Permission denied")


def test_truncated_plain_file(tmp_path: Path) -> None:
    content = gzip.decompress(zipped())
    for length in (0, 6, 5000):
        (tmp_path / LABELS.name).write_bytes(content[:length])
        one_line(lambda: labels(tmp_path), LABELS.name, "cut short", "must be 10008")


def test_trailing_bytes(tmp_path: Path) -> None:
    (tmp_path / LABELS.name).write_bytes(gzip.decompress(zipped()) + b"\0")
    one_line(lambda: labels(tmp_path), LABELS.name, "extra bytes", "10009", "must be 10008")


def test_wrong_magic(tmp_path: Path) -> None:
    (tmp_path / LABELS_GZ).write_bytes(zipped("t10k-images-idx3-ubyte.gz"))
    one_line(lambda: labels(tmp_path), LABELS_GZ, "0x00000803", "must be 0x00000801")


def test_wrong_dimensions(tmp_path: Path) -> None:
    (tmp_path / LABELS_GZ).write_bytes(zipped("train-labels-idx1-ubyte.gz"))
    one_line(lambda: labels(tmp_path), LABELS_GZ, "60000", "must be 10000")


def test_wrong_digest(tmp_path: Path) -> None:
    content = bytearray(gzip.decompress(zipped()))
    content[-1] ^= 1
    (tmp_path / LABELS.name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    one_line(lambda: labels(tmp_path), LABELS.name, "not the published MNIST", found, LABELS.sha256)


def test_idx_is_read_in_row_major_order() -> None:
    content = bytes((0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6))
    assert parse_idx(content, (2, 3), Path("x")).tolist() == [[1, 2, 3], [4, 5, 6]]


# --- Larochelle's files, in small -----------------------------------------------------------------


def amat(bits: np.ndarray) -> bytes:
    return b"".join(b" ".join(b"%d" % bit for bit in row) + b"\n" for row in bits)


def write_static(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Three files like Larochelle's with a few images each, which the package then expects."""
    rng = np.random.default_rng(0)
    written = {}
    for part, num_images in (("train", 5), ("val", 2), ("test", 3)):
        bits = rng.integers(0, 2, (num_images, 784))
        file = static.FILES[part]
        (root / file.name).write_bytes(amat(bits))
        sha256 = hashlib.sha256(amat(bits)).hexdigest()
        monkeypatch.setitem(static.FILES, part, replace(file, num_images=num_images, sha256=sha256))
        written[part] = bits
    return written


@pytest.mark.parametrize("subfolder", [".", "binarized_mnist"])
def test_static_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subfolder: str) -> None:
    (tmp_path / subfolder).mkdir(exist_ok=True)
    written = write_static(tmp_path / subfolder, monkeypatch)
    data = load_dataset("mnist", root=str(tmp_path), binarization="static")
    for part, bits in written.items():
        split = getattr(data, part)
        assert np.array_equal(split.images.flatten(1).numpy(), bits * 255)
        assert split.labels is None
        assert not split.dynamic
    assert data.to("cpu").train.labels is None
    joined = load_dataset("mnist", root=str(tmp_path), binarization="static", train_on_val=True)
    bits = np.concatenate([written["train"], written["val"]])
    assert np.array_equal(joined.train.images.flatten(1).numpy(), bits * 255)
    assert joined.to("cpu").val is None


def test_static_missing_file(tmp_path: Path) -> None:
    one_line(
        lambda: load_dataset("mnist", root=str(tmp_path), binarization="static"),
        "is named binarized_mnist_train.amat or static_bits.npz",
        str(tmp_path),
    )


def test_static_other_images_of_the_right_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits = write_static(tmp_path, monkeypatch)["test"]
    (tmp_path / static.FILES["test"].name).write_bytes(amat(1 - bits))
    one_line(
        lambda: load_dataset("mnist", root=str(tmp_path), binarization="static"),
        static.FILES["test"].name,
        "not the published",
        static.FILES["test"].sha256,
    )


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"0 1 0\n1 1 0\n", ("2 lines", "must be 3")),
        (b"0 1 0\n1 1 0\n0 0 0\n1 0 0\n", ("4 lines", "must be 3")),
        (b"0 1 0\n1 1\n0 0 0\n", ("line 2", "2 digits", "must be 3")),
        (b"0 1 0\n\n1 1 0\n0 0 0\n", ("line 2", "0 digits")),
        (b"0 1 0\n1 1 0\n0 2 0\n", ("line 3", "other than the digits 0 and 1")),
        (b"0 1 0\n1 / 0\n0 0 0\n", ("line 2", "other than the digits 0 and 1")),
        (b"", ("0 lines", "must be 3")),
    ],
)
def test_static_of_wrong_shape_or_values(content: bytes, parts: tuple[str, ...]) -> None:
    one_line(lambda: parse_amat(content, (3, 3), Path("x.amat")), "x.amat", *parts)
