"""A working directory as a user of the documentation has it."""

import sys

import pytest

import nfvae
from nfvae.data import DATASETS
from nfvae.flows import FLOWS
from nfvae.likelihoods import LIKELIHOODS
from nfvae.networks import NETWORKS

REGISTRIES = (DATASETS, FLOWS, LIKELIHOODS, NETWORKS)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty, importable current directory; restores the registries afterwards."""
    before = [dict(registry) for registry in REGISTRIES]
    modules = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for registry, content in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(content)
    for name in set(sys.modules) - modules:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture
def planar_run(workplace, small_config):
    """outputs/planar_K16_seed0, trained for a few updates."""
    config = small_config(
        "K=16", "trainer.max_steps=2", "trainer.val_every=2", "eval.num_samples=0"
    )
    nfvae.train(config, "outputs/planar_K16_seed0")
    return workplace
