"""The user's own images: layouts, kinds of values, splits, and MNIST from every format."""

import gzip
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nfvae.data import Dataset, load_dataset, mnist, static

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, (50, 4, 5), dtype=np.uint8)


def load(folder: Path, save: Any = np.savez, /, options: Any = (), **arrays: Any) -> Dataset:
    save(folder / "mine.npz", **arrays)
    return load_dataset("arrays", path=str(folder / "mine.npz"), **dict(options))


def all_images(data: Dataset) -> torch.Tensor:
    return torch.cat([split.images for split in data.splits.values()])


@pytest.mark.parametrize(
    ("shape", "image_shape", "expected"),
    [
        ((50, 16), None, (1, 4, 4)),
        ((50, 20), [1, 4, 5], (1, 4, 5)),
        ((50, 60), (3, 4, 5), (3, 4, 5)),
        ((50, 4, 5), None, (1, 4, 5)),
        ((50, 3, 4, 5), None, (3, 4, 5)),
        ((50, 2, 4, 4), None, (2, 4, 4)),
        ((50, 8, 4, 3), [8, 4, 3], (8, 4, 3)),
    ],
)
def test_layouts(tmp_path: Path, shape, image_shape, expected) -> None:
    train = RNG.integers(0, 256, shape, dtype=np.uint8)
    options = {"image_shape": image_shape, "split_seed": None, "binarization": "none"}
    data = load(tmp_path, options=options, train=train)
    assert data.image_shape == expected
    assert (len(data.train), len(data.val or ()), len(data.test)) == (40, 5, 5)
    assert np.array_equal(all_images(data).numpy(), train.reshape(50, *expected))


@pytest.mark.parametrize(
    ("array", "binarization", "values"),
    [
        (LEVELS, "none", "levels"),
        (LEVELS.astype(np.int64), "none", "levels"),
        (LEVELS / 255, "none", "reals"),
        (LEVELS % 2, "static", "bits"),
        (LEVELS % 2 == 1, "static", "bits"),
        ((LEVELS % 2).astype(np.float32), "static", "bits"),
        (LEVELS, "fixed", "bits"),
        (LEVELS / 255, "dynamic", "bits"),
    ],
)
def test_kinds_of_values(tmp_path: Path, array, binarization, values) -> None:
    data = load(tmp_path, options={"binarization": binarization}, train=array)
    assert {split.values for split in data.splits.values()} == {values}
    assert data.binarization == binarization
    x = data.test.batch(torch.arange(5))
    assert x.dtype == torch.float32
    assert x.min() >= 0
    assert x.max() <= 1
    if values == "bits":
        assert set(x.unique().tolist()) == {0.0, 1.0}


def test_levels_and_reals_are_the_same_to_a_model(tmp_path: Path) -> None:
    options = {"binarization": "none", "split_seed": None}
    levels = load(tmp_path, options=options, train=LEVELS)
    reals = load(tmp_path, options=options, train=LEVELS.astype(np.float32) / np.float32(255))
    index = torch.arange(40)
    assert torch.equal(levels.train.batch(index), reals.train.batch(index))
    assert torch.allclose(reals.train.mean(), torch.from_numpy(LEVELS[:40].mean(0) / 255).float())
    assert levels.digest != reals.digest


def test_bits_of_real_numbers_are_those_of_the_nearest_levels(tmp_path: Path) -> None:
    reals = LEVELS / 255 + RNG.uniform(-0.0019, 0.0019, LEVELS.shape)
    for binarization in ("dynamic", "fixed"):
        options = {"binarization": binarization}
        one = load(tmp_path, options=options, train=LEVELS)
        two = load(tmp_path, options=options, train=reals.clip(0, 1))
        assert one.digest == two.digest


def test_a_split_that_happens_to_be_all_black_takes_the_kind_of_the_others(tmp_path: Path) -> None:
    data = load(tmp_path, train=LEVELS, val=LEVELS[:3] * 0, test=LEVELS[:2])
    assert data.train.dynamic
    assert data.val is not None
    assert data.val.images.max() == 0


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({}, (40, 5, 5)),
        ({"val": 7}, (45, 7, 5)),
        ({"test": 8}, (45, 5, 8)),
        ({"val": 7, "test": 8}, (50, 7, 8)),
    ],
)
def test_missing_splits_are_taken_from_train(tmp_path: Path, given, sizes) -> None:
    arrays = {name: RNG.integers(0, 256, (n, 4, 5), dtype=np.uint8) for name, n in given.items()}
    data = load(tmp_path, options={"binarization": "none"}, train=LEVELS, **arrays)
    assert tuple(len(split) for split in data.splits.values()) == sizes
    for name, array in arrays.items():
        assert np.array_equal(data.splits[name].images[:, 0].numpy(), array)  # type: ignore[index]
    # Every image of train is in one split, once.
    rest = [split.images for name, split in data.splits.items() if name not in arrays]
    found = sorted(image.numpy().tobytes() for image in torch.cat(rest))
    assert found == sorted(image.tobytes() for image in LEVELS)


def test_the_split_depends_on_its_seed_alone(tmp_path: Path) -> None:
    digests = [
        load(tmp_path, options={"split_seed": seed}, train=LEVELS).digest
        for seed in (0, 0, 1, None)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_training_on_validation_images_too(tmp_path: Path) -> None:
    data = load(tmp_path, options={"train_on_val": True}, train=LEVELS)
    assert data.val is None
    assert len(data.train) == 45


def test_packed_bits(tmp_path: Path) -> None:
    bits = RNG.integers(0, 2, (30, 20), dtype=np.uint8)
    options = {"image_shape": [1, 4, 5], "binarization": "static", "split_seed": None}
    data = load(tmp_path, options=options, train=np.packbits(bits, axis=1))
    assert np.array_equal(all_images(data).numpy().reshape(30, 20), bits * 255)


@pytest.mark.parametrize("name", ["mine.mat", "mine.npy", "mine", "mine.gz", "bits.amat"])
def test_other_formats_give_the_same_as_npz(matfile, tmp_path: Path, name: str) -> None:
    array = LEVELS % 2 if name.endswith("amat") else LEVELS
    options: dict[str, Any] = {"binarization": "static" if name.endswith("amat") else "dynamic"}
    idx = bytes((0, 0, 8, 3)) + struct.pack(">3I", *array.shape) + array.tobytes()
    lines = "\n".join(" ".join(map(str, row)) for row in array.reshape(50, 20))
    np.save(tmp_path / "array.npy", array)
    content = {
        "mine.mat": matfile.mat({"train": array}),
        "mine.npy": (tmp_path / "array.npy").read_bytes(),
        "mine": idx,
        "mine.gz": gzip.compress(idx),
        "bits.amat": lines.encode(),
    }[name]
    (tmp_path / name).write_bytes(content)
    options["image_shape"] = [1, 4, 5]
    other = load_dataset("arrays", path=str(tmp_path / name), **options)
    assert other.digest == load(tmp_path, options=options, train=array).digest


@pytest.mark.parametrize(
    ("array", "binarization", "allowed"),
    [(LEVELS % 2, "dynamic", "static"), (LEVELS, "static", "dynamic, fixed, none")],
)
def test_a_binarization_that_does_not_fit_names_those_that_do(
    tmp_path: Path, array, binarization, allowed
) -> None:
    with pytest.raises(ValueError, match=f"allowed: {allowed}$"):
        load(tmp_path, options={"binarization": binarization}, train=array)


@pytest.mark.parametrize(
    "options",
    [
        {"val_fraction": 0.5, "test_fraction": 0.5},
        {"val_fraction": 0.001},
        {"test_fraction": 1.5},
        {"image_shape": [4, 5]},
        {"image_shape": [1, 0, 5]},
        {"binarization": "threshold"},
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load(tmp_path, options=options, train=LEVELS)


def test_no_path() -> None:
    with pytest.raises(ValueError, match=r"^path is missing"):
        load_dataset("arrays")


# --- MNIST from every format ----------------------------------------------------------------------


def batches(data: Dataset) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.stack([data.train.batch(torch.arange(9) * k, generator) for k in range(3)])


def test_mnist_is_the_same_from_every_format(tmp_path: Path, dynamic: Dataset) -> None:
    pixels = np.concatenate(
        [mnist.read_mnist_file(f) for f in (mnist.TRAIN_IMAGES, mnist.TEST_IMAGES)]
    )
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for file in mnist.FILES:
        zipped = mnist.EMBEDDED / f"{file.name}.gz"
        shutil.copy(zipped, tmp_path)
        (raw / file.name).write_bytes(gzip.decompress(zipped.read_bytes()))
    np.savez(
        tmp_path / "m.npz",
        train=pixels[:50_000].reshape(-1, 784),
        val=pixels[50_000:60_000],
        test=pixels[60_000:, None],
    )
    np.save(tmp_path / "m.npy", pixels)
    in_order = {"val_fraction": 1 / 7, "test_fraction": 1 / 7, "split_seed": None}
    others = [
        load_dataset("mnist", root=str(tmp_path)),
        load_dataset("mnist", root=str(raw.parent)),
        load_dataset("arrays", path=str(tmp_path / "m.npz")),
        load_dataset("arrays", path=str(tmp_path / "m.npy"), **in_order),
    ]
    for other in others:
        assert other.digest == dynamic.digest
        assert torch.equal(batches(other), batches(dynamic))


def test_static_mnist_is_the_same_from_the_packed_archive(tmp_path: Path) -> None:
    shutil.copy(static.EMBEDDED, tmp_path / "static_mnist_bits.npz")
    data = load_dataset("mnist", root=str(tmp_path), binarization="static")
    assert data.digest == load_dataset("mnist", binarization="static").digest


def test_mnist_without_binarization_holds_levels() -> None:
    data = load_dataset("mnist", binarization="none")
    assert (data.values, data.binarization) == ("levels", "none")
    pixels = mnist.read_mnist_file(mnist.TEST_IMAGES)
    assert np.array_equal(data.test.batch(torch.arange(9)).numpy()[:, 0] * 255, pixels[:9])
