import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import TENSORS, EventAccumulator


@pytest.fixture
def read_events():
    """What TensorBoard makes of a folder: every kind of event as tensors, none left out."""
    return lambda folder: EventAccumulator(str(folder), {TENSORS: 0}).Reload()
