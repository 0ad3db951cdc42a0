"""Scales that cannot become so small that a likelihood has no finite gradient."""

from torch import Tensor
from torch.nn.functional import softplus

MIN_LOG_SCALE = -7.0
"""exp(−7) = 0.0009, about a quarter of the distance between two levels."""
INITIAL_LOG_SCALE = -2.0
"""Where scales start; exp(−2) = 0.135 in the unit of x."""


def floored(log_scale: Tensor) -> Tensor:
    """A smooth lower bound: −7 + softplus(l + 7), close to l where l is above −5: [*] -> [*]."""
    return MIN_LOG_SCALE + softplus(log_scale - MIN_LOG_SCALE)
