"""The embedded bits are the published ones, and a damaged archive is detected."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from nfvae.data import Dataset, load_dataset, mnist, static
from nfvae.errors import DataError

SIZES = {"train": 50_000, "val": 10_000, "test": 10_000}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("mnist", binarization="static")


@pytest.mark.parametrize("part", SIZES)
def test_the_bits_are_the_published_ones(data: Dataset, part: str) -> None:
    split = data.splits[part]  # type: ignore[index]
    assert split.images.shape == (SIZES[part], 1, 28, 28)
    assert split.labels is None
    assert not split.dynamic
    assert set(split.images.unique().tolist()) == {0, 255}
    bits = (split.images > 0).numpy().tobytes()
    assert hashlib.sha256(bits).hexdigest() == static.FILES[part].bits_sha256  # type: ignore[index]


def test_they_are_upright_draws_of_mnist(data: Dataset) -> None:
    """The mean image is MNIST's up to the noise of 10,000 draws; transposed it would not be."""
    p = torch.from_numpy(mnist.read_mnist_file(mnist.TEST_IMAGES) / 255).mean(0)
    mean = (data.test.images > 0).double().mean(0).squeeze(0)
    error = (p * (1 - p) / 10_000).sqrt()  # at most: images differ in their probabilities
    assert ((mean - p).abs() <= 5 * error).all()
    assert ((mean.T - p).abs() > 5 * error).any()


def test_it_says_what_it_is(data: Dataset) -> None:
    assert (data.name, data.values, data.binarization) == ("mnist", "bits", "static")
    assert data.image_shape == (1, 28, 28)


def test_training_on_validation_images_too(data: Dataset) -> None:
    joined = load_dataset("mnist", binarization="static", train_on_val=True)
    assert joined.val is None
    assert data.val is not None
    assert torch.equal(joined.train.images, torch.cat([data.train.images, data.val.images]))
    assert joined.digest != data.digest


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[1000] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize(
    "damage",
    [_truncated, _flipped, lambda content: b"", lambda content: b"not an archive" * 100, None],
    ids=["truncated", "flipped", "empty", "garbage", "missing"],
)
def test_a_damaged_archive_is_one_line(tmp_path, monkeypatch, damage) -> None:
    copy = tmp_path / static.EMBEDDED.name
    if damage is not None:
        copy.write_bytes(damage(static.EMBEDDED.read_bytes()))
    refused(copy, monkeypatch)


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros((50_000, 98), np.uint8),  # other bits
        np.zeros((50_000, 98), np.float32),
        np.zeros(98, np.uint8),
        np.zeros((3, 2), np.uint8),
        None,  # no such array
    ],
    ids=["bits", "dtype", "rank", "shape", "name"],
)
def test_an_archive_of_something_else_is_one_line(tmp_path, monkeypatch, packed) -> None:
    copy = tmp_path / static.EMBEDDED.name
    np.savez(copy, **({"other": np.zeros(1)} if packed is None else {"train": packed}))
    refused(copy, monkeypatch)


def test_objects_in_the_archive_are_not_unpickled(tmp_path, monkeypatch) -> None:
    copy = tmp_path / static.EMBEDDED.name
    np.savez(copy, train=np.array([pytest.raises], dtype=object))
    refused(copy, monkeypatch)


def test_the_archive_holds_just_the_three_arrays() -> None:
    with ZipFile(static.EMBEDDED) as archive:
        assert sorted(archive.namelist()) == ["test.npy", "train.npy", "valid.npy"]


def refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "EMBEDDED", archive)
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", binarization="static")
    message = str(caught.value)
    assert str(archive) in message
    assert "\n" not in message
