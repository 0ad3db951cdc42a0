"""Bounds on scales, which keep likelihoods and their gradients finite."""

from torch import Tensor
from torch.nn.functional import softplus

MIN_LOG_SCALE = -7.0
"""exp(−7) = 0.0009, about a quarter of the distance between two levels."""
INITIAL_LOG_SCALE = -2.0
"""The initial value; exp(−2) = 0.135 in the unit of x."""


def floored(log_scale: Tensor) -> Tensor:
    """−7 + softplus(l + 7): above −7, and close to l where l is above −5: [*] -> [*].

    The result is at most about 20: there a distribution is flat on [0, 1], and exp is far from
    overflow.
    """
    return MIN_LOG_SCALE + softplus(log_scale.clamp(max=20) - MIN_LOG_SCALE)
