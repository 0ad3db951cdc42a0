"""Streams of one seed, and of different seeds, have nothing in common."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
import torch

from nfvae.data import Dataset, Split
from nfvae.flows import IAF, Planar
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.seeds import Purpose, stream_seed
from nfvae.training import Training, Validation, fit
from nfvae.vae import VAE

PURPOSES = get_args(Purpose)


def normals(seed: int, n: int) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


def max_correlation_at_any_lag(short: torch.Tensor, long: torch.Tensor) -> float:
    """Of standard normal numbers: the short sequence against every part of the long one."""
    n = len(long)
    product = torch.fft.rfft(long) * torch.fft.rfft(short, n).conj()
    return float(torch.fft.irfft(product, n).abs().max() / len(short))


def test_a_seed_is_pinned_and_a_function_of_its_arguments():
    """Results of a version are those of every later one."""
    assert stream_seed(0, "weights") == 6574047295172133996
    assert stream_seed(0, "training") == stream_seed(0, "training")
    for seed, purpose in product(range(4), PURPOSES):
        assert 0 <= stream_seed(seed, purpose) < 2**63


def test_streams_are_pairwise_uncorrelated():
    n = 100_000
    seeds = [stream_seed(seed, purpose) for seed in range(4) for purpose in PURPOSES]
    streams = torch.stack([normals(seed, n) for seed in seeds])
    correlation = torch.corrcoef(streams).fill_diagonal_(0)
    assert len(set(seeds)) == 4 * len(PURPOSES)
    assert correlation.abs().max() < 5 / n**0.5


def test_no_two_streams_start_alike():
    """torch's CPU generator uses the lowest 32 bits of a seed."""
    seeds = {stream_seed(seed, purpose) % 2**32 for seed in range(1000) for purpose in PURPOSES}
    assert len(seeds) == 1000 * len(PURPOSES)


@pytest.mark.parametrize("purpose", [name for name in PURPOSES if name != "weights"])
def test_no_stretch_of_noise_is_the_stream_of_the_weights(purpose):
    """Formerly the noise from step 78 on was the first layer's initial weights."""
    weights = normals(stream_seed(0, "weights"), 100_000)
    for seed in (0, 1):
        noise = normals(stream_seed(seed, purpose), 1_000_000)
        assert max_correlation_at_any_lag(weights, noise) < 7 / len(weights) ** 0.5
    with_it = torch.cat([noise[:400_000], weights, noise[400_000:]])
    assert max_correlation_at_any_lag(weights, with_it) > 0.9  # the check sees what it looks for


@pytest.fixture
def data() -> Dataset:
    split = Split(255 * torch.randint(2, (50, 1, 28, 28), dtype=torch.uint8), None, dynamic=False)
    return Dataset("noise", split, split, split, binarization="fixed", digest="")


def small_vae(seed: int) -> VAE:
    torch.manual_seed(seed)
    encoder, decoder = mlp((1, 28, 28), 40, hidden=[400])
    return VAE(encoder, Planar(40, 2), decoder, Bernoulli())


def test_no_training_noise_is_the_initial_weights(data):
    """Also where the user seeds torch with the number that training is seeded with."""
    vae = small_vae(0)
    weight = vae.encoder.layers[0].weight.detach().flatten()[:100_000]
    training = Training(vae, data, 1, batch_size=10, seed=0)
    noise = torch.randn(1_000_000, generator=training.generator)
    standard = (weight - weight.mean()) / weight.std()
    assert max_correlation_at_any_lag(standard, noise) < 7 / len(weight) ** 0.5


def test_training_and_validation_take_their_streams(data, monkeypatch):
    seen = []

    def estimate(vae, split, draws, generator, *_):
        seen.append(generator.initial_seed())
        raise KeyboardInterrupt

    monkeypatch.setattr("nfvae.training.callbacks.estimate_elbo", estimate)
    for seed in (0, 1):
        vae = small_vae(seed)
        assert Training(vae, data, 1, batch_size=10, seed=seed).generator.initial_seed() == (
            stream_seed(seed, "training")
        )
        with pytest.raises(KeyboardInterrupt):
            fit(vae, data, 1, batch_size=10, seed=seed, callbacks=[Validation(every=1)])
    assert seen == [stream_seed(0, "validation")] * 2  # runs of all seeds compare by one noise


def test_runs_of_two_flows_see_the_same_batches_bits_and_noise(data):
    grey = Split(torch.randint(256, (50, 1, 28, 28), dtype=torch.uint8), dynamic=True)
    data = replace(data, train=grey)

    def seen(flow):
        encoder, decoder = mlp((1, 28, 28), 40, hidden=[20])
        training = Training(VAE(encoder, flow, decoder, Bernoulli()), data, 7, batch_size=10)
        found = []
        training.batch_loss.register_forward_pre_hook(lambda _, given: found.extend(given[:2]))
        while not training.finished:  # two epochs
            training.update()
        return found

    of_planar, of_iaf = seen(Planar(40, 2)), seen(IAF(40, 1, hidden_size=8))
    assert len(of_planar) == 14
    assert all(map(torch.equal, of_planar, of_iaf))
    assert not torch.equal(of_planar[0], of_planar[2])
