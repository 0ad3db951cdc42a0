"""The embedded files are MNIST, and the splits are the papers'."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from nfvae.data import Binarization, Dataset, load_dataset, mnist

PUBLISHED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.mark.parametrize("name", PUBLISHED_MD5)
def test_embedded_files_are_the_published_ones(name: str) -> None:
    content = gzip.decompress((mnist.EMBEDDED / f"{name}.gz").read_bytes())
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == PUBLISHED_MD5[name]


def test_known_facts_of_the_training_file() -> None:
    images = mnist.read_mnist_file(mnist.TRAIN_IMAGES) / np.float32(255)
    assert images.shape == (60_000, 28, 28)
    assert images.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert images.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    labels = mnist.read_mnist_file(mnist.TRAIN_LABELS)
    assert np.bincount(labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


def test_known_facts_of_the_test_split(dynamic: Dataset) -> None:
    assert dynamic.test.labels is not None
    assert dynamic.test.labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_splits_are_the_papers(dynamic: Dataset) -> None:
    splits = (dynamic.train, dynamic.val, dynamic.test)
    assert [len(split) for split in splits] == [50_000, 10_000, 10_000]
    for split in splits:
        assert split.images.dtype == torch.uint8
        assert split.images.shape == (len(split), 1, 28, 28)
        assert split.labels is not None
        assert split.labels.dtype == torch.int64
        assert split.labels.shape == (len(split),)
    assert dynamic.train.labels is not None
    assert dynamic.val.labels is not None
    labels = torch.from_numpy(mnist.read_mnist_file(mnist.TRAIN_LABELS).astype(np.int64))
    assert torch.equal(torch.cat([dynamic.train.labels, dynamic.val.labels]), labels)
    images = torch.from_numpy(
        mnist.read_mnist_file(mnist.TRAIN_IMAGES).reshape(-1, 1, 28, 28).copy()
    )
    assert torch.equal(dynamic.train.images, images[:50_000])


@pytest.mark.parametrize("binarization", ["dynamic", "fixed"])
def test_training_on_validation_images_too(
    binarization: Binarization, request: pytest.FixtureRequest
) -> None:
    separate: Dataset = request.getfixturevalue(binarization)
    joined = load_dataset("mnist", binarization=binarization, train_on_val=True)
    assert joined.val is None
    assert joined.train.dynamic == separate.train.dynamic
    assert torch.equal(joined.train.images[:50_000], separate.train.images)
    assert separate.val is not None
    if binarization == "fixed":
        assert torch.equal(joined.train.images[50_000:], separate.val.images)
    else:  # grey levels
        images = torch.from_numpy(
            mnist.read_mnist_file(mnist.TRAIN_IMAGES).reshape(-1, 1, 28, 28).copy()
        )
        assert torch.equal(joined.train.images, images)
    assert torch.equal(joined.test.images, separate.test.images)
    assert joined.train.labels is not None
    labels = torch.from_numpy(mnist.read_mnist_file(mnist.TRAIN_LABELS).astype(np.int64))
    assert torch.equal(joined.train.labels, labels)
    assert list(joined.splits) == ["train", "test"]
    assert joined.to("cpu").val is None


def test_no_image_is_in_two_splits() -> None:
    files = (mnist.TRAIN_IMAGES, mnist.TEST_IMAGES)
    images = np.concatenate([mnist.read_mnist_file(file) for file in files])
    assert len({image.tobytes() for image in images}) == 70_000


def test_torchvision_reads_the_same_from_its_own_layout(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in PUBLISHED_MD5:
        zipped = (mnist.EMBEDDED / f"{name}.gz").read_bytes()
        # torchvision only asks whether the training files are there.
        (raw / name).write_bytes(gzip.decompress(zipped) if name.startswith("t10k") else b"")
    theirs = MNIST(str(tmp_path), train=False)
    for root in (tmp_path, tmp_path / "MNIST", raw):
        images = mnist.read_mnist_file(mnist.TEST_IMAGES, root)
        assert np.array_equal(images, theirs.data.numpy())
    labels = mnist.read_mnist_file(mnist.TEST_LABELS, tmp_path)
    assert np.array_equal(labels, theirs.targets.numpy())


def test_moving_to_a_device_keeps_everything_but_the_device(dynamic: Dataset) -> None:
    moved = dynamic.to("meta")
    assert moved.train.images.device.type == "meta"
    assert moved.test.labels is not None
    assert moved.test.labels.device.type == "meta"
    assert moved.train.dynamic
    assert not moved.val.dynamic
    assert (moved.name, moved.binarization) == ("mnist", "dynamic")
