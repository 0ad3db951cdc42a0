"""The TensorBoard event file of one process. Each call writes at once.

torch's SummaryWriter writes in another thread, where a full disk causes a traceback later.
"""

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

LAST = "events.out.tfevents.9999999999.results"


class EventFile:
    """A new event file next to the earlier ones of a run.

    Args:
        folder: the run's folder.
        first_step: TensorBoard ignores events of earlier files at this step and later.
        last: whether this is the run's last file, which replaces an existing one.
    """

    def __init__(self, folder: Path, first_step: int, last: bool = False) -> None:
        file = folder / (LAST if last else _new_name(folder))
        if last:
            file.unlink(missing_ok=True)
        self._file = file.open("xb")  # "x" does not follow a link
        self._records = RecordWriter(self._file)
        self._write(Event(step=first_step, file_version="brain.Event:2"))
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, *summaries: Summary) -> None:
        """Log summaries made by torch.utils.tensorboard.summary."""
        for summary in summaries:
            self._write(Event(step=step, summary=summary))
        self._file.flush()

    def sync(self) -> None:
        """Flush everything to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def _new_name(folder: Path) -> str:
    """A name after those of the earlier files, also if this machine's clock is behind.

    TensorBoard reads a run's files in the order of their names.
    """
    names = [path.name.split(".") for path in folder.glob("events.out.tfevents.*")]
    times = [n[3] + n[4] for n in names if len(n) > 4]
    earlier = [int(digits) for digits in times if digits.isdigit() and len(digits) == 19]
    seconds, rest = divmod(max([time.time_ns(), *(each + 1 for each in earlier)]), 10**9)
    return f"events.out.tfevents.{seconds:010}.{rest:09}.{socket.gethostname()}"
