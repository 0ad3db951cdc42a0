"""Estimates on a GPU: how much is decoded at once, and the same numbers as on a CPU."""

import sys
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch

from nfvae import VAE, Bernoulli, Planar, networks
from nfvae.data import Split
from nfvae.evaluation import estimate_nll, nll
from nfvae.evaluation.elbo import rows_at_once
from nfvae.posterior import FlowPosterior


def decoded_at_once(monkeypatch, memory: float, parameters_per_channel: int = 1) -> int:
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory)
    )
    return rows_at_once(
        SimpleNamespace(
            image_shape=(1, 28, 28),
            likelihood=SimpleNamespace(parameters_per_channel=parameters_per_channel),
            parameters=lambda: iter([SimpleNamespace(device=torch.device("cuda:1"), itemsize=4)]),
        )
    )


def test_portions_fit_the_memory_of_a_gpu(monkeypatch):
    megabytes = 28 * 28 * 4 / 1e6  # of one output
    large, small = (decoded_at_once(monkeypatch, memory) for memory in (200e9, 8e9))
    assert large * megabytes == pytest.approx(256, abs=0.01)
    assert small * megabytes == pytest.approx(8000 / 512, abs=0.01)
    assert decoded_at_once(monkeypatch, 8e9, 256) == small // 256
    assert decoded_at_once(monkeypatch, 1e6) == 1


@pytest.fixture
def source(monkeypatch):
    """The generator of all noise: on the CPU, in portions that are the same on every device."""

    def draw(self, sample_shape, generator):
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.randn(shape, generator=source).to(self.loc.device)

    source = torch.Generator()
    monkeypatch.setattr(FlowPosterior, "_noise", draw)
    module = sys.modules["nfvae.evaluation.nll"]  # as an attribute, `nll` is the function
    monkeypatch.setattr(module, "rows_at_once", lambda vae: 500)
    return source


@pytest.mark.cuda
def test_the_nll_is_that_of_the_cpu(cuda, source):
    encoder, decoder = networks.mlp((1, 28, 28), 40)
    vae = VAE(encoder, Planar(40, 16), decoder, Bernoulli())
    split = Split(255 * (torch.rand(30, 1, 28, 28) < 0.2).byte())
    (x,) = split.batches(30)
    single, means = [], []
    for device in (torch.device("cpu"), cuda):
        copy = deepcopy(vae).to(device)
        source.manual_seed(0)
        single.append(nll(copy, x.to(device), 1000).cpu())
        generator = torch.Generator(device)
        means.append(estimate_nll(copy, split.to(device), 1000, generator).nll)
    torch.testing.assert_close(single[1], single[0], rtol=0, atol=1e-3)
    assert means[1] == pytest.approx(means[0], abs=1e-3)
