import pytest
import torch

from nfvae.experiments.configuration.build import build_optimizer, build_vae, parameter_groups
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training.schedule import set_learning_rates

OWN = ("optim.decoder_lr=3e-3", "optim.decoder_weight_decay=0.5")


@pytest.fixture
def made(small_config):
    """A VAE whose flow has its own weights, with its optimizer."""

    def make(*overrides):
        config = small_config("flow=nice", "optim.weight_decay=0.1", *overrides)
        torch.manual_seed(0)
        vae = build_vae(config, (1, 28, 28))
        return vae, build_optimizer(config.optim, parameter_groups(config.optim, vae))

    return make


@pytest.mark.parametrize("overrides", [(), OWN, OWN[:1], OWN[1:]])
def test_every_weight_is_in_one_group(made, overrides):
    vae, optimizer = made(*overrides)
    grouped = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in vae.parameters())


@pytest.mark.parametrize(
    ("overrides", "lr", "decay"),
    [((), 1e-3, 0.1), (OWN, 3e-3, 0.5), (OWN[:1], 3e-3, 0.1), (OWN[1:], 1e-3, 0.5)],
)
def test_a_step_of_the_decoder_goes_by_its_own_rate_and_decay(made, overrides, lr, decay):
    """The first step of AdamW is w (1 − η·decay) − η sign(gradient), η = schedule · lr."""
    vae, optimizer = made("optim.lr=1e-3", *overrides)
    before = {name: weight.detach().clone() for name, weight in vae.named_parameters()}
    for weight in vae.parameters():
        weight.grad = torch.ones_like(weight)
    set_learning_rates(optimizer, 0.25)
    optimizer.step()
    for name, weight in vae.named_parameters():
        of_decoder = name.startswith("decoder.")
        eta, its_decay = (0.25 * lr, decay) if of_decoder else (0.25e-3, 0.1)
        expected = before[name] * (1 - eta * its_decay) - eta
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-6, atol=1e-9, msg=name)


def test_the_same_rate_and_decay_said_twice_change_nothing(small_config, tmp_path):
    said = ("optim.lr=2e-3", "optim.weight_decay=0.1")
    again = ("optim.decoder_lr=2e-3", "optim.decoder_weight_decay=0.1")
    once = run_training(small_config(*said), RunFolder(tmp_path / "once"), StopRequest())
    twice = run_training(small_config(*said, *again), RunFolder(tmp_path / "twice"), StopRequest())
    assert once["neg_elbo"] == twice["neg_elbo"]


def test_the_decoders_rate_is_logged(small_config, tmp_path, events):
    folder = RunFolder(tmp_path / "run")
    run_training(small_config("optim.lr=1e-3", "optim.decoder_lr=3e-3"), folder, StopRequest())
    logged = events(folder)
    rates, of_decoder = ([lr for _, lr in logged[f"train/{tag}"]] for tag in ("lr", "decoder_lr"))
    assert of_decoder == pytest.approx([3 * lr for lr in rates])
