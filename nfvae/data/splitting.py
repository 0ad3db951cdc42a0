"""Split images into training, validation and test images."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from nfvae.data.assemble import Images
from nfvae.data.dataset import SplitName

SplitSeed = Annotated[int, Ge(0), Le(2**32 - 1)]
"""The seeds that numpy.random.RandomState accepts."""


def cut(
    images: Images, held_out: Mapping[SplitName, int], seed: int | None
) -> dict[SplitName, Images]:
    """Split images: training images come first, then those of `held_out`, in its order.

    Args:
        images: all N images.
        held_out: sizes of the other splits; the remaining images are for training.
        seed: seed of a permutation before the split; None keeps the order. The permutation is the
            same in every version of NumPy, and the same as that of `numpy.random.seed(seed);
            numpy.random.shuffle(images)`.

    Raises:
        ValueError: a split would have no images.
    """
    n = len(images.pixels)
    sizes: dict[SplitName, int] = {"train": n - sum(held_out.values()), **held_out}
    if min(sizes.values()) < 1:
        stated = ", ".join(f"{size} for {name}" for name, size in sizes.items())
        raise ValueError(f"{n} images cannot be split into {stated}; each needs at least 1")
    order = None if seed is None else np.random.RandomState(seed).permutation(n)
    parts: dict[SplitName, Images] = {}
    start = 0
    for name, size in sizes.items():
        place = slice(start, start + size)
        # A slice copies nothing, so it is used when the order is kept.
        index = place if order is None else order[place]
        labels = None if images.labels is None else images.labels[index]
        parts[name] = Images(images.pixels[index], labels)
        start += size
    return parts
