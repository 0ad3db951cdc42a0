"""Bernoulli draws of bits from grey pixels: P(bit = 1) = pixel/255, exactly at 0 and at 255.

With r uniform on the integers 0 … 254, the event r < pixel has probability pixel/255. This is
integer arithmetic on bytes: no division, no rounding, and half the time of torch.bernoulli.
Settled bits are stored as 0 and 255: intensities like any others, whose draw is themselves.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def bernoulli(pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A fresh draw: bool tensor of the same shape and device.

    torch takes r as a 32-bit word modulo 255, so that the probability is off by less than 2⁻³².

    Args:
        pixels: uint8, any shape.
        generator: on the pixels' device; None for torch's global one.
    """
    r = torch.empty_like(pixels).random_(0, 255, generator=generator)
    return r < pixels


def fixed_bernoulli(pixels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """A draw that is the same for everybody, forever: bits as 0 and 255, same shape.

    numpy keeps RandomState's streams frozen, on every platform and in every version.
    """
    rng = np.random.RandomState(seed)
    r = rng.randint(0, 255, pixels.shape, dtype=np.uint8)
    return (r < pixels) * np.uint8(255)
