"""What is timed side by side computes the same."""

import warnings

import pytest
import torch

from nfvae import VAE, Bernoulli, networks
from nfvae.data import load_dataset
from nfvae.experiments.benchmark.jax_step import jax_weights, neg_elbo
from nfvae.experiments.benchmark.peers import pyro_planar
from nfvae.experiments.benchmark.planar_loops import PlanarBmmLoop, PlanarLoop
from nfvae.flows import Identity, Planar
from nfvae.training import Training


@pytest.mark.parametrize("loop", [PlanarLoop, PlanarBmmLoop])
def test_the_loops_are_the_stack(loop):
    flow = Planar(5, 7)
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(2, 3, 5, dtype=torch.float64)
    for stack, stepwise in zip(flow(z, params), loop(5, 7)(z, params), strict=True):
        torch.testing.assert_close(stack, stepwise)


def test_pyros_planar_is_ours_with_the_papers_constraint():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pyro", reason="the extra `bench` is not installed")
    flow = Planar(5, 7, constraint="paper")
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(3, 5, dtype=torch.float64)
    for ours, theirs in zip(flow(z, params), pyro_planar(5, 7)(z, params), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("K", [0, 5])
def test_the_loss_in_jax_is_ours(K):
    pytest.importorskip("jax", reason="the extra `bench` is not installed")
    torch.manual_seed(0)
    data = load_dataset("mnist")
    encoder, decoder = networks.mlp(data.image_shape, 6, hidden=[20, 10])
    flow = Planar(6, K) if K else Identity(6)
    training = Training(VAE(encoder, flow, decoder, Bernoulli()), data, 10, batch_size=20)
    x, eps = (torch.rand(20, 1, 28, 28) < 0.3).float(), torch.randn(1, 20, 6)
    theirs = neg_elbo(jax_weights(training), x.flatten(1).numpy(), eps[0].numpy(), K)
    ours, _ = training.batch_loss(x, eps, torch.tensor(1.0))
    assert float(theirs) == pytest.approx(ours.item(), rel=1e-5)
