"""Any file of arrays gives a data set or an error of one line; nothing is executed."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nfvae.data import files, load_dataset
from nfvae.data.array_files import read_arrays
from nfvae.errors import DataError

LEVELS = np.arange(30 * 16, dtype=np.uint8).reshape(30, 4, 4)
IDX = bytes((0, 0, 8, 3)) + struct.pack(">3I", 30, 4, 4) + LEVELS.tobytes()


class RunsCode:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("unpickled",)


OBJECTS = np.array([RunsCode()], dtype=object)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy_header(text: str, version: int = 1) -> bytes:
    form = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes((version, 0)) + struct.pack(form, len(text)) + text.encode()


def described(shape: str, descr: str = "'|u1'") -> bytes:
    return npy_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n")


def zipped(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED, **changes: int) -> bytes:
    """An archive of one member, with fields of its directory changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
        for key, value in changes.items():
            setattr(archive.filelist[0], key, value)
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.npy", npy(LEVELS))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("train.npy", npy(LEVELS))
    return file.getvalue()


def edited(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


# Name of the case: the file and a part of the line.
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "html": (b"<html>not found</html>", "no known format"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "no known format"),
    "pickle": (b"\x80\x04\x95" + bytes(20), "no known format"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "no known format"),
    # .npy
    "npy: magic only": (b"\x93NUMPY", "header is damaged"),
    "npy: truncated header": (npy(LEVELS)[:50], "header is damaged"),
    "npy: truncated": (npy(LEVELS)[:-1], "is cut short"),
    "npy: trailing": (npy(LEVELS) + b"\0", "has extra bytes at its end"),
    "npy: unknown version": (npy_header("{}", 9), "header is damaged"),
    "npy: header is no dictionary": (npy_header("[1, 2]\n"), "header is damaged"),
    "npy: header with code": (npy_header("__import__('os').mkdir('unpickled')\n"), "is damaged"),
    "npy: nested header": (npy_header("(" * 9000 + ")" * 9000, 2), "header is damaged"),
    "npy: huge header": (npy_header(" " * 100_000, 2), "header is damaged"),
    "npy: header of 4 GB": (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "header is damaged"),
    "npy: huge shape": (described("(1000000000, 1000000000)"), "is cut short"),
    "npy: negative shape": (described("(-2, -8)") + bytes(16), "header is damaged"),
    "npy: huge number": (described("(1" + "0" * 500 + ",)"), "header is damaged"),
    "npy: objects": (npy(OBJECTS), "Python objects"),
    "npy: objects as bytes": (described("(2, 8)", "'|O'") + bytes(16), "Python objects"),
    "npy: structured": (npy(np.zeros((30, 4), [("a", "u1")])), "header is damaged"),
    "npy: complex": (npy(np.zeros((30, 4), complex)), "must hold booleans, integers"),
    "npy: text": (npy(np.full((30, 4), "x")), "must hold booleans, integers"),
    "npy: scalar": (npy(np.uint8(3)), "images are [N, P]"),
    "npy: 1-D": (npy(LEVELS.reshape(-1)), "labels in place of images?"),
    "npy: 1-D in a column": (npy(LEVELS.reshape(-1, 1)), "labels in place of images?"),
    "npy: 5-D": (npy(LEVELS[None, None]), "images are [N, P]"),
    "npy: no images": (npy(LEVELS[:0]), "holds no pixels"),
    "npy: no pixels": (npy(LEVELS[:, :0]), "holds no pixels"),
    "npy: not a square": (npy(LEVELS.reshape(-1, 8)), "give image_shape"),
    "npy: channels last": (npy(LEVELS.reshape(-1, 8, 1, 1)), "looks like [N, H, W, C]"),
    "npy: NaN": (npy(np.full((30, 4), np.nan)), "NaN or infinite"),
    "npy: infinite": (npy(np.full((30, 4), np.inf)), "NaN or infinite"),
    "npy: negative": (npy(-np.ones((30, 4), int)), "from -1 to -1, must be 0 to 255"),
    "npy: negative float": (npy(np.full((30, 4), -0.5)), "must be 0 to 1"),
    "npy: above 255": (npy(np.full((30, 4), 256)), "must be 0 to 255"),
    "npy: levels as floats": (npy(np.full((30, 4), 255.0)), "divide levels by 255"),
    # .npz
    "npz: truncated": (npz(train=LEVELS)[:-30], "is damaged"),
    "npz: flipped": (edited(npz(train=LEVELS), 200, b"\xff\xff"), "is damaged"),
    "npz: no array": (npz(), "holds no arrays of numbers"),
    "npz: other names": (npz(images=LEVELS, labels=LEVELS), "holds images, labels"),
    "npz: a name too many": (npz(train=LEVELS, valid=LEVELS), "it must hold the array train"),
    "npz: names that write to the terminal": (
        npz(**{"a\nb\x1b[31m": LEVELS}),
        "holds a?b?[31m; it must hold the array train",
    ),
    "npz: a long name": (npz(**{"a" * 1000: LEVELS}), "it must hold the array train"),
    "npz: only test": (npz(test=LEVELS), "it must hold the array train"),
    "npz: objects": (npz(train=OBJECTS), "Python objects"),
    "npz: labels": (npz(train=LEVELS, val=np.arange(9)), "array val, has the shape [9]"),
    "npz: other shape": (npz(train=LEVELS, val=LEVELS[:, :3]), "different shapes"),
    "npz: other kind": (npz(train=LEVELS, val=LEVELS / 255), "values of different kinds"),
    "npz: no image in val": (npz(train=LEVELS, val=LEVELS[:0]), "holds no pixels"),
    "npz: twice": (b"", "holds train twice"),
    "npz: a member of text": (zipped("train.npy", b"hello"), "header is damaged"),
    "npz: lzma": (zipped("train.npy", npy(LEVELS), zipfile.ZIP_LZMA), "not packed as NumPy"),
    "npz: encrypted": (zipped("train.npy", npy(LEVELS), flag_bits=1), "not packed as NumPy"),
    "npz: size 0": (zipped("train.npy", npy(LEVELS), file_size=0), "damaged"),
    "npz: states 10 GB": (zipped("train.npy", npy(LEVELS), file_size=10**10), "is too large"),
    # IDX
    "idx: magic only": (IDX[:4], "is cut short"),
    "idx: truncated": (IDX[:-1], "is cut short: 495 bytes, must be 496"),
    "idx: trailing": (IDX + b"\0", "has extra bytes at its end"),
    "idx: floats": (edited(IDX, 2, b"\x0d"), "is not IDX of this kind"),
    "idx: 9 axes": (edited(IDX, 3, b"\x09") + bytes(40), "is not IDX of this kind"),
    "idx: huge": (edited(IDX, 4, b"\xff" * 12), "is cut short"),
    "idx: labels": (bytes((0, 0, 8, 1)) + struct.pack(">I", 9) + bytes(9), "labels in place"),
    # .amat
    "amat: ragged": (b"0 1 0 1\n0 1 0\n", "line 2 holds 3 digits, must be 4"),
    "amat: floats": (b"0.5 1 0 1\n", "holds something other than the digits 0 and 1"),
    "amat: null bytes": (b"0 1\0\0\n", "holds something other than the digits 0 and 1"),
    "amat: no lines": (b" \n \n", "holds no pixels"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, part = BAD[case]
    (tmp_path / "mine").write_bytes(twice() if case == "npz: twice" else content)
    refused(tmp_path / "mine", part)
    assert os.listdir(tmp_path) == ["mine"], "nothing in the file was executed"  # noqa: PTH208


def refused(path: Path, part: str) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("arrays", path=str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert message.isprintable()
    assert part in message
    assert str(path) in message


def bad_mats(m: Any) -> dict[str, tuple[bytes, str]]:
    whole = m.mat({"train": LEVELS}, pack=False)
    array = m.matrix("train", LEVELS)

    def shaped(*shape: int) -> bytes:
        return whole.replace(struct.pack("<3i", 30, 4, 4), struct.pack("<3i", *shape))

    return {
        "header only": (m.header(), "holds no arrays"),
        "version 7.3": (m.header(text=b"MATLAB 7.3 MAT-file"), "'-v7'"),
        "version 4": (b"MATLAB 4.0".ljust(200), "not a MAT-file of version 5"),
        "no byte order": (whole[:126] + b"XX" + whole[128:], "not a MAT-file of version 5"),
        "truncated": (whole[:-9], "is damaged"),
        "truncated tag": (whole[:131], "is damaged"),
        "truncated when packed": (m.mat({"train": LEVELS})[:-9], "is damaged"),
        "packed by nobody": (m.header() + struct.pack("<II", 15, 50) + bytes(50), "is damaged"),
        "cell": (m.header() + edited(array, 16, struct.pack("<I", 1)), "holds no arrays"),
        "no such numbers": (
            whole.replace(struct.pack("<II", 2, 480), struct.pack("<II", 99, 480)),
            "is damaged",
        ),
        "shape": (shaped(30, 4, 5), "480 numbers"),
        "negative shape": (shaped(30, -4, -4), "numbers"),
        "huge shape": (shaped(2**30, 2**30, 2**30), "numbers"),
        "states 4 GB when packed": (
            m.header() + m.packed(struct.pack("<II", 14, 2**32 - 8) + bytes(99)),
            "is damaged",
        ),
        "not an array": (m.header() + m.element(9, bytes(8), "<"), "holds no arrays"),
        "labels": (m.mat({"train": LEVELS[:, :1, 0]}), "labels in place of images?"),
        "levels as doubles": (m.mat({"train": LEVELS.astype(float)}), "divide levels by 255"),
    }


def test_bad_mat_files_are_one_line(matfile: Any, tmp_path: Path) -> None:
    for name, (content, part) in bad_mats(matfile).items():
        path = tmp_path / f"{name}.mat"
        path.write_bytes(content)
        refused(path, part)


@pytest.mark.parametrize("kind", ["gz", "npz", "mat"])
def test_bombs_are_not_unpacked(
    kind: str, matfile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 100 kB that unpacks to 100 MB, with 10 MB allowed."""
    monkeypatch.setattr(files, "MAX_BYTES", 10**7)
    zeros = np.zeros((1000, 100_000), np.uint8)
    if kind == "gz":
        content = gzip.compress(npy(zeros), 1)
    elif kind == "npz":
        content = zipped("train.npy", npy(zeros))
    else:
        content = matfile.header() + matfile.packed(matfile.matrix("train", zeros))
    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(content)
    del zeros, content
    tracemalloc.start()
    refused(path, "more than 10000000 bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 10**7


def test_a_member_is_not_unpacked_beyond_its_stated_size(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(zipped("train.npy", npy(np.zeros((1000, 10_000), np.uint8)), file_size=200))
    refused(path, "is damaged")


@pytest.mark.parametrize("make", ["fifo", "folder", "missing", "dangling link", "device", "null"])
def test_what_is_not_a_regular_file_is_refused(make: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    if make == "fifo":
        os.mkfifo(path)  # opening it in the usual way would wait for ever
    elif make == "folder":
        path.mkdir()
    elif make == "dangling link":
        path.symlink_to(tmp_path / "nothing")
    elif make == "device":
        path = Path("/dev/zero")
    elif make == "null":
        path = Path("a\0b")
    with pytest.raises(DataError, match=r"^[^\n\0]+$"):
        load_dataset("arrays", path=str(path))


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "real.npy").write_bytes(npy(LEVELS))
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert len(load_dataset("arrays", path=str(tmp_path / "link.npy")).train) == 24


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "packed mat", "idx", "gz", "amat"])
def test_random_damage_is_one_line_or_harmless(kind: str, matfile: Any, tmp_path: Path) -> None:
    lines = b"\n".join(b" ".join(b"%d" % bit for bit in row) for row in LEVELS.reshape(30, 16) % 2)
    content = {
        "npy": npy(LEVELS),
        "npz": npz(train=LEVELS, val=LEVELS),
        "mat": matfile.mat({"train": LEVELS}, pack=False),
        "packed mat": matfile.mat({"train": LEVELS}),
        "idx": IDX,
        "gz": gzip.compress(IDX, mtime=0),
        "amat": lines,
    }[kind]
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    path = tmp_path / f"mine.{'gz' if kind == 'gz' else 'x'}"
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(0, min(len(content), 300), rng.integers(1, 4)):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(1, 2 * len(content))])
        try:
            read_arrays(path)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
