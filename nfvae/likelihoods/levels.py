"""Pixels of 256 levels k/255, k = 0 … 255."""

import torch
from torch import Tensor

NUM_LEVELS = 256
SPACING = 1 / 255
"""Distance between neighbouring levels, in the unit of x."""


def level_index(x: Tensor) -> Tensor:
    """k of levels k/255, exact in any float dtype that can represent the levels: [*] -> [*].

    Raises:
        ValueError: x requires a gradient, which a probability of discrete values does not have.
    """
    if x.requires_grad:
        raise ValueError(
            "a likelihood of levels has no derivative in x; detach x, or use a likelihood of reals"
        )
    return (x * 255).round()


def check_levels(x: Tensor, likelihood: str) -> None:
    """Check that all pixels are levels.

    Raises:
        ValueError: some pixels are not; the message names the likelihood.
    """
    k = x * 255
    if not ((k >= -0.01) & (k <= 255.01) & ((k - k.round()).abs() < 0.01)).all():
        raise ValueError(
            f"a {likelihood} likelihood needs pixels that are levels k/255, k = 0 … 255, and these "
            "are not; divide uint8 images by 255"
        )


def nearest_level(x: Tensor) -> Tensor:
    """Real numbers rounded to the nearest of the levels: [*] -> [*]."""
    return (x * 255).round().clamp(0, 255) / 255


def levels_like(x: Tensor) -> Tensor:
    """0/255 … 255/255 in the dtype and on the device of x: [256]."""
    return torch.arange(NUM_LEVELS, dtype=x.dtype, device=x.device) / 255
