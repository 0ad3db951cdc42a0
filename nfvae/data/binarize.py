"""Bits from grey levels: P(bit = 1) = level/255, exactly at 0 and at 255.

With r uniform on the integers 0 … 254, the event r < level has probability level/255. This is
integer arithmetic on bytes: no division, no rounding, and half the time of torch.bernoulli.
Bits that are drawn once are stored as 0 and 255.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Binarization = Literal["dynamic", "fixed", "static", "none"]
"""How pixels become bits. Levels are read as probabilities.

`dynamic`: new training bits are drawn for every batch; validation and test have the bits of
    `fixed`, so that all runs are measured on the same binary images.
`fixed`: one seeded draw of all splits, the same for everybody.
`static`: bits that were drawn once and published, such as Larochelle's files of MNIST.
`none`: no bits; pixels stay levels or real numbers.
"""

# One seed for each split, so that its bits do not depend on the other splits.
FIXED_SEEDS: Mapping[str, int] = {"train": 0, "val": 1, "test": 2}


def bernoulli(levels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A fresh draw: float32 tensor of 0 and 1, of the same shape and device.

    torch takes r as a 32-bit word modulo 255, so that the probability is off by less than 2⁻³².

    Args:
        levels: uint8, any shape.
        generator: on the same device; None is torch's global generator.
    """
    r = torch.empty_like(levels).random_(0, 255, generator=generator)
    bits = torch.empty(levels.shape, device=levels.device)
    return torch.lt(r, levels, out=bits)  # several times faster than (r < levels).float()


def fixed_bernoulli(levels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """A seeded draw that is the same on every machine: bits as 0 and 255, same shape.

    numpy guarantees that RandomState's streams never change.
    """
    rng = np.random.RandomState(seed)
    r = rng.randint(0, 255, levels.shape, dtype=np.uint8)
    return (r < levels) * np.uint8(255)


def check_binarization(binarization: str, *allowed: Binarization) -> None:
    """Check that a data set can be binarized in this way.

    Raises:
        ValueError: it cannot be.
    """
    if binarization not in allowed:
        raise ValueError(
            f"binarization={binarization!r} is unknown here; allowed: {', '.join(allowed)}"
        )
