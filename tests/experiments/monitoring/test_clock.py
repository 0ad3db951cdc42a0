"""A run that goes on where the clock is behind: TensorBoard reads its files in order."""

import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import summary

from nfvae.experiments.monitoring.event_file import EventFile


def test_events_after_a_move_to_a_slower_clock_are_read_last(tmp_path, monkeypatch):
    now = time.time_ns()
    for hours, first_step, value in ((0, 0, 1.0), (-2, 5, 2.0), (-1, 7, 3.0)):
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: now + hours * 3600 * 10**9)
        events = EventFile(tmp_path, first_step)
        for step in range(first_step, first_step + 4):
            events.add(step, summary.scalar("loss", value))
        events.close()
    loaded = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(each.step, each.value) for each in loaded] == [
        *((step, 1.0) for step in range(4)),
        *((step, 2.0) for step in range(5, 7)),
        *((step, 3.0) for step in range(7, 11)),
    ]
