"""How long training takes, and how fast it is between two readings."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Seconds of training over all processes of a run, and the speed of updates alone."""

    def __init__(self) -> None:
        self._before = 0.0  # seconds of earlier processes
        self._start = self._lap_start = perf_counter()
        self._paused = 0.0
        self._lap_step = 0

    @property
    def seconds(self) -> float:
        """Of all training so far, validations included."""
        return self._before + perf_counter() - self._start

    def go_on(self, seconds: float, step: int) -> None:
        """Start at a step of a run that has taken `seconds` so far."""
        self._before = seconds
        self._start = perf_counter()
        self.start_lap(step)

    def start_lap(self, step: int) -> None:
        """Measure the speed from here."""
        self._lap_step, self._lap_start, self._paused = step, perf_counter(), 0.0

    def steps_per_second(self, step: int) -> float:
        """Speed since the start of the lap, without pauses; starts another lap."""
        seconds = perf_counter() - self._lap_start - self._paused
        speed = (step - self._lap_step) / max(seconds, 1e-9)
        self.start_lap(step)
        return speed

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the time spent here out of the speed."""
        start = perf_counter()
        try:
            yield
        finally:
            self._paused += perf_counter() - start
