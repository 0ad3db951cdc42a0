"""Make commands continue when their output cannot be written, as after a closed terminal."""

import errno
import io
import os
import signal
import sys
from typing import Any, TextIO

GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ECONNRESET}


class ForgivingStream:
    """A text stream, sys.stdout or sys.stderr, that drops what cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: OSError | None = None
        """The first error of a write, if any."""

    def write(self, text: str) -> int:
        """Write text; returns its length, also if it could not be written."""
        try:
            return self.stream.write(text)
        except (OSError, ValueError) as error:
            self._drop(error)
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write all lines."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        try:
            self.stream.flush()
        except (OSError, ValueError) as error:
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        if not isinstance(error, OSError):  # ValueError: the stream is closed
            return
        self.lost = self.lost or error
        if error.errno in GONE:  # permanent: drop later writes too, also those of C code
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def protect_output() -> None:
    """Make this process continue if its output cannot be written.

    SIGHUP is ignored, as by nohup, so a closed terminal does not end the process. Characters that
    the output's encoding lacks are written as `?`. If the descriptors 0, 1 or 2 are closed, they
    are opened on /dev/null; otherwise the next file opened would get their number.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: PTH123, SIM115
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        if not isinstance(stream, ForgivingStream):
            setattr(sys, name, ForgivingStream(stream))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def output_error() -> OSError | None:
    """The error that left standard output incomplete; None if the reader closed it."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", None)
    return None if lost is None or lost.errno in GONE else lost
