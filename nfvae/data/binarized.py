"""From arrays of grey levels or of bits to the splits of a data set of bits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nfvae.data.binarize import FIXED_SEEDS, Binarization, fixed_bernoulli
from nfvae.data.dataset import Dataset, Split, SplitName, digest

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """One split as it was read.

    Attributes:
        pixels: uint8 [N, C, H, W]: grey levels, or bits as 0 and 255.
        labels: uint8 [N], or None.
    """

    pixels: Array
    labels: Array | None = None


def binarized_dataset(
    name: str,
    images: Mapping[SplitName, Images],
    binarization: Binarization,
    train_on_val: bool = False,
) -> Dataset:
    """A data set of bits.

    Args:
        name: of the data set.
        images: train, val and test; bits as 0 and 255 where binarization is `static`.
        binarization: how bits are drawn.
        train_on_val: the validation images are trained on too, and there is no validation. Their
            fixed bits are those that they have as a split of their own.
    """

    def split(*parts: SplitName) -> Split:
        dynamic = binarization == "dynamic" and "train" in parts
        pixels = [images[part].pixels for part in parts]
        if binarization != "static" and not dynamic:
            pixels = [
                fixed_bernoulli(levels, FIXED_SEEDS[part])
                for levels, part in zip(pixels, parts, strict=True)
            ]
        labels = [found for part in parts if (found := images[part].labels) is not None]
        # torch needs memory that it may write to; arrays that view a file's bytes are read-only.
        owned = np.require(np.concatenate(pixels), requirements=["C", "W"])
        return Split(
            torch.from_numpy(owned),
            torch.from_numpy(np.concatenate(labels).astype(np.int64)) if labels else None,
            dynamic,
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
