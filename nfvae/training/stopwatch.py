"""Training time, and training speed between two readings."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Seconds of training over all processes of a run, and the speed of its updates."""

    def __init__(self) -> None:
        self._before = 0.0  # seconds of earlier processes
        self._start = self._lap_start = perf_counter()
        self._paused = 0.0
        self._lap_step = 0

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including validations."""
        return self._before + perf_counter() - self._start

    def go_on(self, seconds: float, step: int) -> None:
        """Continue a run that is at this step and has taken `seconds` so far."""
        self._before = seconds
        self._start = perf_counter()
        self.start_lap(step)

    def start_lap(self, step: int) -> None:
        """Measure the speed from here."""
        self._lap_step, self._lap_start, self._paused = step, perf_counter(), 0.0

    def steps_per_second(self, step: int) -> float:
        """Speed since the start of the lap, without pauses; starts a new lap."""
        seconds = perf_counter() - self._lap_start - self._paused
        speed = (step - self._lap_step) / max(seconds, 1e-9)
        self.start_lap(step)
        return speed

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Exclude the time spent in this block from the speed."""
        start = perf_counter()
        try:
            yield
        finally:
            self._paused += perf_counter() - start
