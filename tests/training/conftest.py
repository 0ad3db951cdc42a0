from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nfvae.data import Dataset, Split
from nfvae.experiments.configuration import parts
from nfvae.experiments.interruption import Interrupted, StopRequest


def first_images(split: Split, n: int = 2000) -> Split:
    labels = None if split.labels is None else split.labels[:n]
    return replace(split, images=split.images[:n], labels=labels)


@pytest.fixture(autouse=True)
def _few_images_to_measure(monkeypatch, _data_are_read_once):
    """Validation and test on 2,000 images: runs take half the time."""
    load = parts.load_dataset

    def load_few(name: str, **options) -> Dataset:
        data = load(name, **options)
        val = None if data.val is None else first_images(data.val)
        return replace(data, val=val, test=first_images(data.test))

    monkeypatch.setattr(parts, "load_dataset", load_few)


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
        shown = EventAccumulator(str(folder.path), size_guidance={"scalars": 0})
        shown.Reload()
        tags = shown.Tags()["scalars"]
        return {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in tags}

    return read
