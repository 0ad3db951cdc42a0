"""Threads and precision that are measured: the choice, and that the model is left alone."""

import pytest
import torch

from nfvae import VAE, Bernoulli, Planar, networks
from nfvae.data import load_dataset
from nfvae.objective import elbo
from nfvae.precision import products_in
from nfvae.training import Training, tuning


@pytest.fixture
def arguments():
    torch.manual_seed(0)
    data = load_dataset("mnist")
    encoder, decoder = networks.mlp(data.image_shape, 4, hidden=[20], dropout=0.1)
    vae = VAE(encoder, Planar(4, 3), decoder, Bernoulli())
    return {"vae": vae, "data": data, "num_steps": 10, "batch_size": 20}


@pytest.mark.parametrize(
    ("times", "available", "best"),
    [
        ({1: 10, 2: 6, 4: 4, 8: 3.9}, 8, 4),
        ({1: 10, 2: 6, 4: 4, 8: 3.9}, 3, 2),
        ({1: 10, 2: 9.5, 4: 2}, 4, 1),
        ({1: 10}, 1, 1),
    ],
)
def test_threads_double_while_that_pays(monkeypatch, times, available, best):
    monkeypatch.setattr(tuning, "seconds_per_update", lambda arguments, precision, n: times[n])
    assert tuning.fastest_num_threads({}, available) == best


@pytest.mark.parametrize(
    ("fast", "seconds", "best"),
    [
        (True, {"float32": 2, "bfloat16": 1}, "bfloat16"),
        (True, {"float32": 1, "bfloat16": 2}, "float32"),
        (False, {"float32": 2, "bfloat16": 1}, "float32"),
    ],
)
def test_precision_is_the_faster_one_that_is_in_hardware(
    monkeypatch, arguments, fast, seconds, best
):
    monkeypatch.setattr(tuning, "has_fast_bfloat16", lambda device: fast)
    monkeypatch.setattr(tuning, "seconds_per_update", lambda arguments, each, n: seconds[each])
    assert tuning.fastest_precision(arguments, 1) == best


def test_measuring_changes_nothing(arguments):
    weights = {name: value.clone() for name, value in arguments["vae"].state_dict().items()}
    noise, threads = torch.get_rng_state(), torch.get_num_threads()
    assert tuning.seconds_per_update(arguments, "bfloat16", 2) > 0
    assert torch.equal(torch.get_rng_state(), noise)
    assert torch.get_num_threads() == threads
    for name, value in arguments["vae"].state_dict().items():
        assert torch.equal(value, weights[name])
        assert value.grad is None


def test_bfloat16_is_for_the_networks_only(arguments):
    """Features and logits are rounded to 8 bits; head, flow, likelihood and weights are not."""
    vae = arguments["vae"].eval()
    x = (torch.rand(6, 1, 28, 28) < 0.3).float()
    exact = vae.posterior(x)
    with products_in("bfloat16", "cpu"):
        features = vae.encoder(x)
        q = vae.posterior(x)
        logits = vae.decode(torch.zeros(3, 4))
    assert features.dtype == torch.bfloat16
    assert torch.equal(q.loc, vae.head(features.float())[:, :4])
    assert {q.loc.dtype, q.log_scale.dtype, q.params.dtype, logits.dtype} == {torch.float32}
    assert not torch.equal(q.loc, exact.loc)
    torch.testing.assert_close(q.loc, exact.loc, rtol=0.05, atol=0.05)
    torch.testing.assert_close(logits, vae.decode(torch.zeros(3, 4)), rtol=0.02, atol=0.02)


def test_gradients_in_bfloat16_are_those_in_float32_up_to_rounding(arguments):
    vae = arguments["vae"].eval()
    x = (torch.rand(50, 1, 28, 28) < 0.3).float()
    gradients = {}
    for precision in ("float32", "bfloat16"):
        with products_in(precision, "cpu"):
            bound = elbo(vae, x, 20, torch.Generator().manual_seed(0)).mean()
        gradients[precision] = torch.autograd.grad(bound, list(vae.parameters()))
    for exact, rounded in zip(*gradients.values(), strict=True):
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_an_update_in_bfloat16(arguments):
    training = Training(**arguments, precision="bfloat16")
    before = training.vae.head.weight.clone()
    training.update()
    assert training.vae.head.weight.dtype == torch.float32
    assert not torch.equal(training.vae.head.weight, before)
