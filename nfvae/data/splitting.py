"""Images without a split of their own, cut into training, validation and test images."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from nfvae.data.assemble import Images
from nfvae.data.dataset import SplitName

SplitSeed = Annotated[int, Ge(0), Le(2**32 - 1)]
"""What numpy.random.RandomState takes."""


def cut(
    images: Images, held_out: Mapping[SplitName, int], seed: int | None
) -> dict[SplitName, Images]:
    """Training images first, then those held out in the order of the mapping.

    Args:
        images: all of them, N.
        held_out: sizes of the other parts; training images are the rest.
        seed: of the permutation that comes first; None keeps the order. RandomState's stream is
            frozen: the permutation is the same in every version of NumPy, and the one of
            `numpy.random.seed(seed); numpy.random.shuffle(images)`.

    Raises:
        ValueError: a part would have no images.
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
        # A slice, where the order is kept, copies nothing.
        index = place if order is None else order[place]
        labels = None if images.labels is None else images.labels[index]
        parts[name] = Images(images.pixels[index], labels)
        start += size
    return parts
