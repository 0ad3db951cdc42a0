"""Timings of several cases in turn."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median time of each case in seconds.

    Every round runs each case once, so that a machine that is slow for a while slows all cases. Two
    warm-up rounds are not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(-2, repeats):
        for name, case in cases.items():
            start = clock()
            case()
            if round_ >= 0:
                times[name].append(clock() - start)
    return {name: median(taken) for name, taken in times.items()}
