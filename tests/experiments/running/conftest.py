import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nfvae.experiments.interruption import Interrupted, StopRequest


class StopAfter(StopRequest):
    """A stop request that is set once it was checked `looks` times; each step checks it once."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks <= 0

    def check(self):
        if self.looks <= 0:
            raise Interrupted("stopped by a test")


@pytest.fixture
def stop_after():
    return StopAfter


@pytest.fixture
def events():
    """What TensorBoard shows of a run: {tag: [(step, value), …]}."""

    def read(folder):
        logged = EventAccumulator(str(folder.path), size_guidance={"scalars": 0})
        logged.Reload()
        tags = logged.Tags()["scalars"]
        return {tag: [(e.step, e.value) for e in logged.Scalars(tag)] for tag in tags}

    return read
