"""A data set in memory: 50,000 images to train on, 10,000 to validate, 10,000 to test.

Or 60,000 to train on and none to validate, for a last run with settings that are settled.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nfvae.data import mnist, static
from nfvae.data.binarize import fixed_bernoulli
from nfvae.errors import DataError
from nfvae.experiments.errors import ConfigError

Binarization = Literal["dynamic", "fixed", "static"]
SplitName = Literal["train", "val", "test"]

NUM_TRAIN = 50_000

# One stream a split, so that the draw of one does not depend on whether another was drawn.
FIXED_SEEDS = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one split.

    Attributes:
        pixels: uint8 [N, 784]. Grey values 0 … 255 where `redrawn`, else bits as 0 and 255.
        labels: int64 [N], or None where the source has none. For figures: no model sees them.
        redrawn: every gathered batch is a fresh Bernoulli(pixels/255) draw.
    """

    pixels: Tensor
    labels: Tensor | None
    redrawn: bool

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def to(self, device: torch.device | str) -> "Split":
        """The same split on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, pixels=self.pixels.to(device), labels=labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, or two without validation, and how their bits come about.

    `dynamic`: the training split is redrawn batch by batch; validation and test are `fixed`'s draw,
        so that all runs are measured on the same binary images.
    `fixed`: one seeded draw of all three splits, the same for everybody.
    `static`: Larochelle's draw, from his files; without labels.
    """

    name: str
    binarization: Binarization
    train: Split
    val: Split | None
    test: Split
    image_shape: tuple[int, int] = (28, 28)

    def split(self, name: SplitName) -> Split:
        """One of the three.

        Raises:
            ConfigError: there is no such split, since it was trained on.
        """
        split = self._splits[name]
        if split is None:
            raise ConfigError(
                f"split={name} is empty: data.train_on_val=true trains on its images too; "
                f"allowed: {', '.join(self.settled)}"
            )
        return split

    @property
    def settled(self) -> list[SplitName]:
        """The splits whose bits are the same whenever one looks."""
        here = self._splits.items()
        return [name for name, split in here if split is not None and not split.redrawn]

    @property
    def _splits(self) -> dict[SplitName, Split | None]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data set on a device; 55 MB in all."""
        return replace(
            self,
            train=self.train.to(device),
            val=None if self.val is None else self.val.to(device),
            test=self.test.to(device),
        )


def load_dataset(
    name: str = "mnist",
    root: Path | None = None,
    binarization: Binarization = "dynamic",
    train_on_val: bool = False,
) -> Dataset:
    """Read a data set into memory.

    Training is the first 50,000 images of the training file, validation its last 10,000, test the
    test file: Larochelle's split, and that of the papers.

    Args:
        name: "mnist".
        root: folder with the reader's own copy of the files; None for the embedded ones.
            `static` needs it.
        binarization: "dynamic", "fixed" or "static"; see `Dataset`.
        train_on_val: training is on the validation images too, 60,000 in all; their settled bits
            are what they would be.

    Raises:
        ConfigError: no such data set or binarization.
        DataError: a file is missing, damaged, or not what it claims to be.
    """
    if name != "mnist":
        raise ConfigError(f"data.name={name} is unknown; allowed: mnist")
    if binarization not in get_args(Binarization):
        allowed = ", ".join(get_args(Binarization))
        raise ConfigError(f"data.binarization={binarization} is unknown; allowed: {allowed}")
    if root is not None:
        root = _expand(root)
    if binarization == "static":
        return _load_static(root, train_on_val)
    return _load_mnist(root, binarization, train_on_val)


def _expand(root: Path) -> Path:
    try:
        return root.expanduser()
    except RuntimeError:
        raise DataError(f"data.root={root}: there is no such user") from None


def _load_mnist(root: Path | None, binarization: Binarization, train_on_val: bool) -> Dataset:
    images = mnist.read_mnist_file(mnist.TRAIN_IMAGES, root)
    labels = mnist.read_mnist_file(mnist.TRAIN_LABELS, root)
    test_images = mnist.read_mnist_file(mnist.TEST_IMAGES, root)
    test_labels = mnist.read_mnist_file(mnist.TEST_LABELS, root)
    grey = {"train": images[:NUM_TRAIN], "val": images[NUM_TRAIN:], "test": test_images}
    digit = {"train": labels[:NUM_TRAIN], "val": labels[NUM_TRAIN:], "test": test_labels}

    def split(*parts: str) -> Split:
        redrawn = binarization == "dynamic" and "train" in parts
        pixels = [grey[p] if redrawn else fixed_bernoulli(grey[p], FIXED_SEEDS[p]) for p in parts]
        return _split(np.concatenate(pixels), np.concatenate([digit[p] for p in parts]), redrawn)

    train, val = (split("train", "val"), None) if train_on_val else (split("train"), split("val"))
    return Dataset("mnist", binarization, train, val, split("test"))


def _load_static(root: Path | None, train_on_val: bool) -> Dataset:
    if root is None:
        raise DataError(
            "data.binarization=static needs data.root: the folder that holds Larochelle's "
            f"{static.TRAIN.name}, {static.VAL.name} and {static.TEST.name}"
        )

    def split(*files: static.AmatFile) -> Split:
        bits = np.concatenate([static.read_static_file(file, root) for file in files])
        return _split(bits * np.uint8(255), None, redrawn=False)

    if train_on_val:
        train, val = split(static.TRAIN, static.VAL), None
    else:
        train, val = split(static.TRAIN), split(static.VAL)
    return Dataset("mnist", "static", train, val, split(static.TEST))


def _split(
    pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8] | None, redrawn: bool
) -> Split:
    # torch wants memory that it may write to; arrays that view a file's bytes are read-only.
    owned = np.require(pixels.reshape(len(pixels), -1), requirements=["C", "W"])
    return Split(
        pixels=torch.from_numpy(owned),
        labels=None if labels is None else torch.from_numpy(labels.astype(np.int64)),
        redrawn=redrawn,
    )
