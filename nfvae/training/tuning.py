"""Settings that are measured on the model itself: number of threads, precision."""

from collections.abc import Mapping
from copy import deepcopy
from statistics import median
from time import perf_counter
from typing import Any

import torch

from nfvae.precision import Precision, has_fast_bfloat16
from nfvae.training.state import Training

NUM_UPDATES = 10
GAIN = 0.9  # a larger number of threads must reduce the time of an update to this


def fastest_num_threads(arguments: Mapping[str, Any], available: int) -> int:
    """The number of threads with which updates are fast, of 1, 2, 4, … up to `available`.

    Doubling ends when it saves less than a tenth of the time. The number of threads affects the
    rounding of sums, so runs are equal bit for bit only with equal numbers.

    Args:
        arguments: those of `Training`; its model is copied, not changed.
        available: largest number of threads.
    """
    best, seconds = 1, seconds_per_update(arguments, "float32", 1)
    while 2 * best <= available:
        with_more = seconds_per_update(arguments, "float32", 2 * best)
        if with_more > GAIN * seconds:
            break
        best, seconds = 2 * best, with_more
    return best


def fastest_precision(arguments: Mapping[str, Any], num_threads: int) -> Precision:
    """The precision with which updates are fastest; float32 where bfloat16 is not in hardware.

    Args:
        arguments: those of `Training`; its model is copied, not changed.
        num_threads: threads of the CPU.
    """
    if not has_fast_bfloat16(next(arguments["vae"].parameters()).device):
        return "float32"
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    return min(precisions, key=lambda each: seconds_per_update(arguments, each, num_threads))


def seconds_per_update(
    arguments: Mapping[str, Any], precision: Precision, num_threads: int
) -> float:
    """The median time of an update of a copy of the model, not compiled."""
    own = {"vae": deepcopy(arguments["vae"]), "precision": precision}
    trial = Training(**{**arguments, **own, "optimizer": None, "compile": False})
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    times = []
    with torch.random.fork_rng([trial.device] if trial.device.type == "cuda" else []):
        for _ in range(NUM_UPDATES + 3):
            start = perf_counter()
            trial.update()
            if trial.device.type == "cuda":
                torch.cuda.synchronize(trial.device)
            times.append(perf_counter() - start)
    torch.set_num_threads(before)
    return median(times[3:])
