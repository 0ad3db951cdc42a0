"""Readers of .npy, .npz, .mat, IDX and .amat give what was written."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from nfvae.data.array_files import read_arrays
from nfvae.data.mat import parse_mat
from nfvae.data.npy import parse_npy

HERE = Path("x")


@pytest.mark.parametrize("dtype", ["?", "u1", "<i4", ">i2", "<f2", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 5, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    found = parse_npy((tmp_path / "x.npy").read_bytes(), HERE)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save) -> None:
    arrays = {"train": np.arange(12).reshape(3, 4), "val": np.eye(3)}
    save(tmp_path / "x.npz", **arrays)
    found = read_arrays(tmp_path / "x.npz")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4"])
def test_mat(matfile, kind: str, order: str, pack: bool) -> None:
    one, two = np.arange(6, dtype=kind).reshape(2, 3), np.arange(24, dtype=kind).reshape(2, 3, 4)
    parts = [matfile.matrix("a", one, order), matfile.matrix("long_name", two, order)]
    content = matfile.header(order) + b"".join(
        matfile.packed(part, order) if pack else part for part in parts
    )
    found = parse_mat(content, HERE)
    assert list(found) == ["a", "long_name"]
    assert np.array_equal(found["a"], one)
    assert np.array_equal(found["long_name"], two)
    assert found["a"].dtype == kind


def test_numbers_of_a_mat_file_may_be_stored_in_a_smaller_type(matfile) -> None:
    array = np.array([[0.0, 1.0, 250.0]])
    content = matfile.header() + matfile.matrix("x", array, stored="u1")
    found = parse_mat(content, HERE)["x"]
    assert found.dtype == np.float64
    assert np.array_equal(found, array)


def test_cells_of_a_mat_file_are_skipped(matfile) -> None:
    cell = struct.pack("<II", 14, 48) + b"".join(
        (
            matfile.element(6, struct.pack("<II", 1, 0), "<"),
            matfile.element(5, struct.pack("<ii", 1, 1), "<"),
            matfile.element(1, b"c", "<"),
            struct.pack("<II", 14, 0),
        )
    )
    content = matfile.header() + matfile.packed(cell) + matfile.matrix("x", np.eye(2))
    assert list(parse_mat(content, HERE)) == ["x"]


def test_idx_and_amat(tmp_path: Path) -> None:
    idx = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 1, 3) + bytes(range(6))
    (tmp_path / "x-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    assert read_arrays(tmp_path / "x-idx3-ubyte.gz")[""].tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
    (tmp_path / "x.amat").write_bytes(b"0 1 1 \n1 0 0 \n")
    assert read_arrays(tmp_path / "x.amat")[""].tolist() == [[0, 1, 1], [1, 0, 0]]
