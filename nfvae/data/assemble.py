"""Make a data set from arrays of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nfvae.data.binarize import FIXED_SEEDS, Binarization, fixed_bernoulli
from nfvae.data.dataset import Dataset, Split, SplitName, digest
from nfvae.images import Values


@dataclass(frozen=True)
class Images:
    """The images of one split, as read from a file.

    Attributes:
        pixels: [N, C, H, W]: uint8 grey levels, bits as uint8 0 and 255, or float32 in [0, 1].
        labels: integers [N], or None.
    """

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    labels: npt.NDArray[np.integer[Any]] | None = None


def binarized_dataset(
    name: str,
    images: Mapping[SplitName, Images],
    binarization: Binarization,
    train_on_val: bool = False,
) -> Dataset:
    """A data set of bits; with the binarization `none`, of levels or of real numbers.

    Bits are drawn from levels: real numbers in [0, 1] are rounded to the nearest k/255 first, so
    that a bit's probability changes by at most 1/510.

    Args:
        name: the data set's name.
        images: train, val and test; bits as 0 and 255 if binarization is `static`.
        binarization: how bits are drawn.
        train_on_val: train on the validation images too, without validation. Their fixed bits are
            the same as in the validation split.
    """
    levels = all(part.pixels.dtype == np.uint8 for part in images.values())
    values: Values = "bits"
    if binarization == "none":
        values = "levels" if levels else "reals"

    def pixels_of(part: SplitName, dynamic: bool) -> npt.NDArray[Any]:
        pixels: npt.NDArray[Any] = images[part].pixels
        if binarization in ("none", "static"):
            return pixels
        if not levels:
            pixels = np.rint(pixels * 255).astype(np.uint8)
        return pixels if dynamic else fixed_bernoulli(pixels, FIXED_SEEDS[part])

    def split(*parts: SplitName) -> Split:
        dynamic = binarization == "dynamic" and "train" in parts
        labels = [found for part in parts if (found := images[part].labels) is not None]
        joined = np.concatenate([pixels_of(part, dynamic) for part in parts])
        # torch needs memory that it may write to; arrays that view a file's bytes are read-only.
        owned = np.require(joined, requirements=["C", "W"])
        return Split(
            torch.from_numpy(owned),
            torch.from_numpy(np.concatenate(labels).astype(np.int64)) if labels else None,
            dynamic,
            values,
        )

    splits: dict[SplitName, Split] = (
        {"train": split("train", "val")}
        if train_on_val
        else {"train": split("train"), "val": split("val")}
    )
    splits["test"] = split("test")
    return Dataset(
        name,
        splits["train"],
        splits.get("val"),
        splits["test"],
        binarization=binarization,
        digest=digest(splits),
    )
