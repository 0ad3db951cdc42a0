"""Which GPU and which cores a run gets; the GPUs are made up."""

import pytest
import torch

from nfvae.experiments.launching import places
from nfvae.experiments.launching.places import make_places


@pytest.fixture
def machine(monkeypatch):
    def make(gpus, cores, visible=None):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(places, "num_cores", lambda: cores)
        monkeypatch.setattr(places, "_cores", lambda: [10 + core for core in range(cores)])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return make


def gpus(found):
    return [place.environment.get("CUDA_VISIBLE_DEVICES") for place in found]


def test_every_gpu_gets_a_run(machine, small_config):
    machine(gpus=3, cores=8)
    auto = [small_config("device=auto")]
    assert gpus(make_places(auto)) == ["0", "1", "2"]
    assert gpus(make_places(auto, runs_per_gpu=2)) == ["0", "1", "2", "0", "1", "2"]
    assert gpus(make_places(auto, num_workers=2)) == ["0", "1"]


def test_the_names_of_a_part_of_the_gpus_are_kept(machine, small_config):
    machine(gpus=2, cores=8, visible="4,GPU-7ab")
    assert gpus(make_places([small_config("device=cuda")])) == ["4", "GPU-7ab"]


def test_a_gpu_that_the_user_chose_is_used(machine, small_config):
    machine(gpus=4, cores=8)
    assert gpus(make_places([small_config("device=cuda:2")])) == [None]


def test_runs_on_cores_share_none(machine, small_config):
    machine(gpus=0, cores=4)
    found = make_places([small_config()])
    assert [set(place.cores) for place in found] == [{10}, {11}, {12}, {13}]
    found = make_places([small_config()], num_workers=2)
    assert [set(place.cores) for place in found] == [{10, 12}, {11, 13}]
    assert [place.cores for place in make_places([small_config()], num_workers=5)] == [set()] * 5


def test_runs_with_more_threads_are_fewer(machine, small_config):
    machine(gpus=0, cores=4)
    found = make_places([small_config("trainer.num_threads=2")])
    assert [set(place.cores) for place in found] == [{10, 12}, {11, 13}]
