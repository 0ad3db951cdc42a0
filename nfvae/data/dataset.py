"""A data set in memory: images to train on, to validate and to test.

A data set is registered under a name as a function `(*, options…) -> Dataset`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from nfvae.data.binarize import bernoulli
from nfvae.errors import DataError
from nfvae.images import ImageShape, Values
from nfvae.registry import Registry

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one split.

    Attributes:
        images: [N, C, H, W]: uint8 levels 0 … 255 (bits that are not dynamic as 0 and 255), or
            float32 where `values` is "reals".
        labels: int64 [N], or None if the source has none. Only figures use them.
        dynamic: every batch is a new Bernoulli(images/255) draw; only if `values` is "bits".
        values: the kind of pixel values, see `nfvae.images.Values`.
    """

    images: Tensor
    labels: Tensor | None = None
    dynamic: bool = False
    values: Values = "bits"

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def batch(self, index: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images of these indices as a model sees them: int64 [B] -> float32 [B, C, H, W].

        Args:
            index: on the split's device.
            generator: for a dynamic split, on its device; None is torch's global generator. Other
                splits use no random numbers.
        """
        images = self.images.index_select(0, index)
        return bernoulli(images, generator) if self.dynamic else self._as_floats(images)

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """All images once, in order, as float32 [≤ batch_size, C, H, W].

        Raises:
            ValueError: the split is dynamic, so two passes would not give the same images.
        """
        if self.dynamic:
            raise ValueError("a dynamically binarized split has no fixed images to go through")
        for images in self.images.split(batch_size):
            yield self._as_floats(images)

    def _as_floats(self, images: Tensor) -> Tensor:
        if self.values == "bits":
            return (images > 0).float()
        return images.float() / 255 if self.values == "levels" else images

    def mean(self) -> Tensor:
        """Mean image: float32 [C, H, W], on the split's device.

        For bits and levels this is (Σ image/255 + 1)/(N + 2), Laplace's rule of succession: the
        posterior mean of a probability under a uniform prior. It is strictly between 0 and 1, also
        for a pixel that is 0 in every image, so its log-odds are finite.
        """
        if self.values == "reals":
            return self.images.mean(0, dtype=torch.float64).float()
        # Summing by chunks is exact too, and many times faster than one sum over all images.
        chunks = [chunk.sum(0, dtype=torch.int32) for chunk in self.images.split(1000)]
        total = torch.stack(chunks).sum(0).double() / 255
        return ((total + 1) / (len(self) + 2)).float()

    def to(self, device: torch.device | str) -> "Split":
        """The same split on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, images=self.images.to(device), labels=labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits of one data set, and what results on it must state.

    Attributes:
        name: the registered name.
        train: images to train on.
        val: images that choose the checkpoint; None without validation.
        test: images that results are measured on.
        binarization: how pixels became bits, see `nfvae.data.binarize.Binarization`; "none" for
            levels and reals.
        digest: sha256 of all splits' values and shapes: data sets with equal digests are equal.

    >>> bits = 255 * (torch.rand(60, 1, 8, 8) < 0.3).byte()
    >>> train, test = Split(bits[:50]), Split(bits[50:])
    >>> data = Dataset("noise", train, None, test, "fixed", digest(dict(train=train)))
    >>> data.image_shape, list(data.splits)
    ((1, 8, 8), ['train', 'test'])
    """

    name: str
    train: Split
    val: Split | None
    test: Split
    binarization: str
    digest: str

    @property
    def values(self) -> Values:
        """The kind of pixel values, the same in all splits."""
        return self.train.values

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W), the same in all splits."""
        return self.train.image_shape

    @property
    def splits(self) -> dict[SplitName, Split]:
        """The splits by name, without `val` if there is none."""
        named: dict[SplitName, Split | None] = {
            "train": self.train,
            "val": self.val,
            "test": self.test,
        }
        return {name: split for name, split in named.items() if split is not None}

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data set on a device."""
        moved: Mapping[str, Any] = {name: split.to(device) for name, split in self.splits.items()}
        return replace(self, **moved)


def digest(splits: Mapping[SplitName, Split]) -> str:
    """sha256, in hexadecimal, of the splits' names, shapes, kinds and values."""
    found = hashlib.sha256()
    for name, split in splits.items():
        kind = f"{name} {list(split.images.shape)} {split.values} {split.dynamic}\n"
        found.update(kind.encode())
        found.update(split.images.numpy().tobytes())
    return found.hexdigest()


DATASETS = Registry("data set")
register = DATASETS.register


def load_dataset(name: str = "mnist", **options: Any) -> Dataset:
    """Read a data set into memory.

    Args:
        name: a name in `DATASETS`, for example "mnist", or "arrays" for your own images.
        options: options of the data set, for example `binarization="fixed"`.

    Raises:
        ValueError: no such data set or option.
        DataError: a file is missing, damaged, or not the expected one.

    >>> data = load_dataset("mnist", binarization="fixed")
    >>> len(data.train), len(data.val), len(data.test), data.image_shape
    (50000, 10000, 10000, (1, 28, 28))
    """
    known = DATASETS.options(name)
    for key in options:
        if key not in known:
            raise ValueError(
                f"data set {name!r} has no option {key!r}; it has: {', '.join(sorted(known))}"
            )
    dataset = DATASETS.find(name)(**options)
    if not isinstance(dataset, Dataset):
        raise DataError(f"data set {name!r} returned a {type(dataset).__name__}, not a Dataset")
    return dataset
