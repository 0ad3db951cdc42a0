"""Timings of several cases in turn."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median time of a call of each case in seconds.

    Every round runs each case, so that a machine that is slow for a while slows all cases. Two
    warm-up rounds are not counted.

    Args:
        cases: what to time.
        repeats: number of rounds.
        calls: calls of a case in a row. With one, each call finds its weights evicted from the
            cache by the other cases, unlike in training.
        clock: in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(-2, repeats):
        for name, case in cases.items():
            start = clock()
            for _ in range(calls):
                case()
            if round_ >= 0:
                times[name].append((clock() - start) / calls)
    return {name: median(taken) for name, taken in times.items()}


@contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Keep this thread, and threads that start in the block, on this many cores; Linux only.

    Not every library has a setting for it: JAX uses all cores that it may.
    """
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
