"""Schedules of the learning rate: a factor for each step."""

from collections.abc import Callable
from math import cos, pi
from typing import Literal, get_args

from torch import optim

Schedule = Callable[[int], float]
"""Maps a step, counted from 0, to a factor of the learning rate."""
Decay = Literal["none", "cosine"]


def constant(step: int) -> float:
    """A constant learning rate."""
    return 1.0


def warmup_decay(num_steps: int, warmup_steps: int = 0, decay: Decay = "cosine") -> Schedule:
    """Linear warm-up, times a half cosine that ends at 0 (or times 1 without decay).

    Raises:
        ValueError: no such decay.

    >>> schedule = warmup_decay(num_steps=1000, warmup_steps=10)
    >>> schedule(0), round(schedule(500), 3)
    (0.1, 0.5)
    """

    if decay not in get_args(Decay):
        raise ValueError(f"decay must be one of {', '.join(get_args(Decay))}, got {decay!r}")

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
        decayed = 0.5 * (1 + cos(pi * step / num_steps)) if decay == "cosine" else 1.0
        return warmup * decayed

    return factor


def set_learning_rates(optimizer: optim.Optimizer, factor: float) -> None:
    """Set each group's rate to `factor` times its peak rate."""
    keep_peak_rates(optimizer)
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak_lr"]


def keep_peak_rates(optimizer: optim.Optimizer) -> None:
    """Store each group's rate as its `peak_lr`, unless it has one already.

    So a schedule multiplies the rate that the user gave, also in a second `fit`.
    """
    for group in optimizer.param_groups:
        group.setdefault("peak_lr", group["lr"])
