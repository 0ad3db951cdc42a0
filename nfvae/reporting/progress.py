"""A bar where there is a terminal, a line now and then where there is none."""

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Progress of one stage of a run, on standard error.

    Args:
        stage: its name.
        total: units of the whole stage.
        done: units done before, in an earlier process.
        bar: whether a bar is wanted, if there is a terminal.
    """

    def __init__(self, stage: str, total: int, done: int = 0, bar: bool = True) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=stage,
            disable=not (bar and sys.stderr.isatty()),
            dynamic_ncols=True,
            unit_scale=True,
            mininterval=0.2,
        )
        self._started = time.perf_counter()

    def advance(self, units: int = 1) -> None:
        """Count units as done."""
        self._bar.update(units)

    def show(self, **values: str) -> None:
        """Values beside the bar."""
        self._bar.set_postfix(values, refresh=False)

    def line(self, text: str) -> None:
        """A line that stays, above the bar."""
        tqdm.write(text, file=sys.stderr)

    @property
    def seconds(self) -> float:
        """Since the stage was entered in this process."""
        return time.perf_counter() - self._started

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()
