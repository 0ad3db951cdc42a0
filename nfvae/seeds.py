"""Independent random streams from one seed.

A generator for weights and one for noise, both seeded with 0, would give the same numbers twice.
Each purpose therefore has a seed of its own, derived from the user's.
"""

import hashlib
from typing import Literal

Purpose = Literal[
    "weights", "training", "validation", "evaluation", "activity", "pictures", "dropout"
]


def stream_seed(seed: int, purpose: Purpose) -> int:
    """The seed of a purpose's stream: in 0 … 2⁶³ − 1, a function of the arguments alone.

    >>> stream_seed(0, "weights") == stream_seed(0, "training")
    False
    """
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
