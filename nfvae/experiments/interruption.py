"""SIGINT, SIGTERM, SIGUSR1 and SIGUSR2: finish the step, save, and print how to resume."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nfvae.errors import StopTraining

EXIT_STATUS = 75  # EX_TEMPFAIL: try again later
INTERRUPTED = 128 + signal.SIGINT  # the convention of shells

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

_received: signal.Signals | None = None


class Interrupted(StopTraining):
    """A stop was requested; everything needed to resume is saved."""


class StopRequest:
    """Set by a signal, and checked between steps."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Raise `Interrupted` if a stop was requested; for work that needs no saving."""
        if self.signal is not None:
            raise Interrupted(f"stopped by {self.signal.name}")


def received_signal() -> signal.Signals | None:
    """The last signal that asked this process to stop."""
    return _received


def record_signal(number: signal.Signals | None) -> None:
    """Set the value of `received_signal`; None when a new command begins."""
    global _received
    _received = number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT, SIGTERM, SIGUSR1 or SIGUSR2 into a request; a second SIGINT kills."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = signal.Signals(number)
        record_signal(request.signal)

    before = {number: signal.signal(number, handle) for number in HANDLED}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_undisturbed() -> int:
    """Ignore signals from now on; returns the exit status of a run that is saved.

    Schedulers repeat a signal, which could otherwise end the process with another status.
    """
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)
    return EXIT_STATUS
