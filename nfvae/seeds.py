"""Independent random streams from one seed.

Two generators with the same seed, one for weights and one for noise, would give the same numbers.
Therefore each purpose has its own seed, derived from the user's seed.
"""

import hashlib
from typing import Literal

Purpose = Literal["weights", "training", "validation", "evaluation", "pictures", "dropout"]


def stream_seed(seed: int, purpose: Purpose) -> int:
    """The seed for a purpose, in 0 … 2⁶³ − 1; it depends only on the arguments.

    >>> stream_seed(0, "weights") == stream_seed(0, "training")
    False
    """
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
