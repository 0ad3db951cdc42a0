"""Threads and precision of a run: given, stored at its first start, or measured."""

import pytest

from nfvae import VAE, Bernoulli, Planar, compose, networks
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.running import tuning


@pytest.fixture
def arguments():
    encoder, decoder = networks.mlp((1, 28, 28), 4, hidden=[20])
    return {"vae": VAE(encoder, Planar(4, 2), decoder, Bernoulli()), "num_steps": 40_000}


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Eight cores of which four are fastest, and bfloat16 faster than float32."""
    monkeypatch.setattr(tuning, "default_num_threads", lambda: 8)
    monkeypatch.setattr(tuning, "fastest_num_threads", lambda arguments, available: available // 2)
    monkeypatch.setattr(tuning, "fastest_precision", lambda arguments, num_threads: "bfloat16")
    monkeypatch.setattr(tuning, "has_fast_bfloat16", lambda device: True)


def tuned(arguments, *overrides, stored=None):
    return tuning.tuned(compose(*overrides).trainer, arguments, stored)


def test_long_runs_are_measured(arguments):
    assert tuned(arguments) == {"num_threads": 4, "precision": "float32"}
    assert tuned(arguments, "trainer.precision=auto")["precision"] == "bfloat16"


def test_short_runs_use_one_thread(arguments):
    assert tuned(arguments | {"num_steps": 4999})["num_threads"] == 1


def test_what_is_given_is_used(arguments):
    given = tuned(arguments, "trainer.num_threads=3", "trainer.precision=bfloat16")
    assert given == {"num_threads": 3, "precision": "bfloat16"}


def test_a_resumed_run_goes_on_as_it_began(arguments):
    stored = {"num_threads": 2, "precision": "float32"}
    assert tuned(arguments, "trainer.precision=auto", stored=stored) == stored
    assert tuned(arguments, "trainer.num_threads=8", stored=stored)["num_threads"] == 8


@pytest.mark.parametrize("damaged", [{"num_threads": "2"}, {"precision": ["x"]}, {}])
def test_what_a_checkpoint_lacks_is_measured(arguments, damaged):
    expected = {"num_threads": 4, "precision": "bfloat16"}
    assert tuned(arguments, "trainer.precision=auto", stored=damaged) == expected


def test_slow_bfloat16_is_refused(arguments, monkeypatch):
    monkeypatch.setattr(tuning, "has_fast_bfloat16", lambda device: False)
    with pytest.raises(ConfigError, match=r"many times slower .* trainer.precision=float32"):
        tuned(arguments, "trainer.precision=bfloat16")
