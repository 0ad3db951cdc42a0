"""The published files themselves, if the environment variable NFVAE_DATA names their folder."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from nfvae.data import load_dataset

ROOT = os.environ.get("NFVAE_DATA", "")

CASES = {
    "frey_faces.npz": ("frey_faces", {}, (1565, 200, 200)),
    "frey_rawface.mat": ("frey_faces", {}, (1565, 200, 200)),
    "caltech101_silhouettes_28.mat": (
        "caltech_silhouettes",
        {"split": "seeded"},
        (4100, 2264, 2307),
    ),
    "caltech101_silhouettes_28_split1.mat": ("caltech_silhouettes", {}, (4100, 2264, 2307)),
    "chardata.mat": ("omniglot", {}, (23_000, 1_345, 8_070)),
    "images_background_small2.zip": ("omniglot", {"source": "small"}, (3434, 201, 1205)),
    "images_evaluation.zip": ("omniglot", {"source": "drawings"}, (23_032, 1_347, 8_081)),
}

# Of the levels and bits that public code reads: Sylvester's freyfaces.pkl, permuted with its seed,
# and Caltech's split with 1 − x and columns first.
DIGESTS = {
    "frey_faces.npz": "51a0e5975d0bf3f500b4d664333e4be334076581e066dc7622deaf4be50bd849",
    "caltech101_silhouettes_28_split1.mat": (
        "5e2d1beafb371124742b7bdd78dbb9563234610380775aee831d1e1f3853f5b5"
    ),
}


@pytest.mark.parametrize("file", CASES)
def test_a_published_file(file: str, tmp_path: Path) -> None:
    # Archives may have a prefix of their own, as in omniglot_images_background_small2.zip.
    found = sorted(Path(ROOT).glob(f"*{file}")) if ROOT else []
    if not found:
        pytest.skip(f"NFVAE_DATA names no folder with {file}")
    for path in Path(ROOT).iterdir():
        if path.suffix in (".zip", ".npz", ".mat"):
            shutil.copy(path, tmp_path / path.name.removeprefix("omniglot_"))
    name, options, sizes = CASES[file]
    data = load_dataset(name, root=str(tmp_path), **options)
    assert tuple(len(split) for split in data.splits.values()) == sizes
    assert data.digest == DIGESTS.get(file, data.digest)
    x = data.test.batch(torch.arange(200))
    # Neighbours resemble each other, which they do not where rows have the wrong length.
    for axis in (2, 3):
        assert x.diff(dim=axis).abs().mean() < 0.8 * x.diff(dim=0).abs().mean()
    if name != "frey_faces":  # ink on empty ground
        assert x[:, :, :2].mean() < x.mean() < 0.6
