"""Every likelihood with every network: trained through the real configuration, or refused."""

import json

import pytest
import torch

from nfvae.data import DATASETS, Dataset, Split
from nfvae.experiments.configuration.build import check_likelihood, fit_arguments
from nfvae.experiments.configuration.memory import model_size
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.monitoring.summary import summary
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Training

CHOICES = {
    "bits": ["bernoulli"],
    "levels": [
        "categorical",
        "discretized_logistic",
        "discretized_logistic likelihood.scale=shared",
        "gaussian",
        "gaussian likelihood.fixed_std=0.1",
        "continuous_bernoulli",
    ],
    "reals": ["continuous_bernoulli", "gaussian likelihood.dequantize=false"],
}
FITTING = [(values, chosen) for values, all_chosen in CHOICES.items() for chosen in all_chosen]
NETWORKS = {
    "mlp": ["model.hidden=[16]"],
    "gated_conv": ["model.channels=2", "model.features=8"],
    "resnet": ["model.channels=[4,8]", "model.features=8"],
}


def blobs(values: str) -> Dataset:
    """Bright discs on dark ground, 9×6 pixels, two channels."""
    generator = torch.Generator().manual_seed(0)
    centres = (
        torch.rand(120, 2, 1, 1, generator=generator) * torch.tensor([9.0, 6.0])[:, None, None]
    )
    rows, columns = torch.arange(9.0)[:, None], torch.arange(6.0)
    squares = (rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2
    grey = torch.cat([torch.exp(-squares / 8), 1 - torch.exp(-squares / 8)], dim=1)
    images = {
        "bits": (grey > 0.5) * torch.tensor(255),
        "levels": (255 * grey).round(),
        "reals": grey,
    }[values]
    images = images if values == "reals" else images.to(torch.uint8)
    splits = [Split(part, values=values) for part in images.split([80, 20, 20])]
    return Dataset(f"blobs_{values}", *splits, binarization="none", digest=values)


@pytest.fixture(autouse=True)
def _blobs_by_name(monkeypatch):
    for values in CHOICES:
        monkeypatch.setitem(DATASETS, f"blobs_{values}", lambda values=values: blobs(values))


@pytest.fixture
def blob_config(make_config):
    """A run of 60 steps on the discs."""

    def make(values, *overrides):
        small = [
            *("device=cpu", "K=2", "model.latent_dim=3", "trainer.batch_size=20", "optim.lr=0.01"),
            *("optim.warmup_steps=0", "trainer.max_steps=60", "trainer.val_every=60"),
            *("trainer.progress=false", "eval.elbo_draws=2", "eval.num_samples=3"),
        ]
        config = make_config(*small, *overrides)
        return config.model_copy(update={"data": {"name": f"blobs_{values}"}})

    return make


@pytest.mark.parametrize(
    "network", [pytest.param(n, marks=[] if n == "mlp" else [pytest.mark.slow]) for n in NETWORKS]
)
@pytest.mark.parametrize(("values", "chosen"), FITTING)
def test_what_fits_trains(blob_config, network, values, chosen):
    likelihood = f"likelihood={chosen}".split()
    config = blob_config(values, f"model={network}", *NETWORKS[network], *likelihood)
    data = blobs(values)
    check_likelihood(config, data)
    training = Training(**fit_arguments(config, data, torch.device("cpu")))
    bounds = []
    for _ in range(3):
        for _ in range(12):
            training.update()
        training.check_finite()
        bounds.append(training.meter.pop()["neg_elbo"])
    assert bounds[2] < bounds[0]
    size = model_size(config, data.image_shape)
    assert size.num_parameters == sum(weight.numel() for weight in training.vae.parameters())


@pytest.mark.parametrize("values", CHOICES)
@pytest.mark.parametrize("chosen", sorted({chosen for _, chosen in FITTING}))
def test_what_does_not_fit_is_refused_with_what_does(blob_config, values, chosen):
    config = blob_config(values, *f"likelihood={chosen}".split())
    if chosen in CHOICES[values]:
        check_likelihood(config, blobs(values))
        return
    with pytest.raises(ConfigError) as caught:
        check_likelihood(config, blobs(values))
    message = str(caught.value)
    assert "\n" not in message
    assert f"data=blobs_{values} holds {values}" in message
    for fitting in {choice.split()[0] for choice in CHOICES[values]}:
        assert f"likelihood={fitting}" in message.partition("use:")[2]


def test_the_same_likelihood_with_another_option_is_named(blob_config):
    with pytest.raises(ConfigError, match=r"likelihood=gaussian likelihood\.dequantize=false$"):
        check_likelihood(blob_config("reals", "likelihood=gaussian"), blobs("reals"))


def run(config, path):
    results = run_training(config, RunFolder(path), StopRequest())
    assert json.loads((path / "results.json").read_text()) == results
    return results


def test_bits_per_dimension_of_levels(blob_config, tmp_path):
    config = blob_config("levels", "likelihood=discretized_logistic", "model=resnet")
    results = run(config, tmp_path / "run")
    per_dim = 2 * 9 * 6 * 0.6931471805599453
    assert results["bits_per_dim"] == pytest.approx(results["nll"] / per_dim)
    assert results["neg_elbo_bits_per_dim"] == pytest.approx(results["neg_elbo"] / per_dim)
    assert results["likelihood"] == "discretized_logistic"


@pytest.mark.parametrize(
    ("values", "chosen"), [("levels", "continuous_bernoulli"), ("bits", "bernoulli")]
)
def test_no_bits_per_dimension_of_densities_and_bits(blob_config, tmp_path, values, chosen):
    results = run(blob_config(values, f"likelihood={chosen}"), tmp_path / "run")
    assert not any("bits_per_dim" in key for key in results)


def test_beta_and_free_bits_are_recorded_and_measured_without(blob_config, tmp_path):
    """The objective changes the weights, never what is validated and tested."""
    weighted = ["objective.beta=0.5", "objective.free_bits=3.0", "trainer.log_every=20"]
    results = run(blob_config("bits", *weighted), tmp_path / "weighted")
    assert (results["beta"], results["free_bits"]) == (0.5, 3.0)
    assert results["objective_is_bound"] is False
    assert "beta=0.5, free_bits=3: the training loss is not an −ELBO" in summary(results)
    assert results["neg_elbo"] == pytest.approx(results["distortion"] + results["kl"])
    lines = (tmp_path / "weighted/metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    train = [line for line in logged if "train/loss" in line]
    for line in train:
        assert line["train/neg_elbo"] == pytest.approx(line["train/distortion"] + line["train/kl"])
        assert line["train/loss"] == pytest.approx(
            line["train/distortion"] + 0.5 * max(3.0, line["train/kl"]), abs=2.0
        )
        assert line["train/loss"] != line["train/neg_elbo"]
    plain = run(blob_config("bits"), tmp_path / "plain")
    assert (plain["beta"], plain["free_bits"], plain["objective_is_bound"]) == (1.0, 0.0, True)
    assert "training loss" not in summary(plain)


@pytest.mark.parametrize(
    "overrides",
    [
        ["objective.beta=2.0", "objective.annealing=energy"],
        ["objective.free_bits=2.0", "objective.num_samples=5"],
        ["objective.beta=-1.0"],
        ["objective.free_bits=.nan"],
        ["likelihood=gaussian", "likelihood.fixed_std=0.0"],
        ["likelihood=discretized_logistic", "likelihood.scale=own"],
        ["model.dropout=1.0"],
        ["model=resnet", "model.channels=[8]"],
        ["prior=gaussian_mixture", "prior.num_components=0"],
    ],
)
def test_options_out_of_range_are_one_line(make_config, overrides):
    with pytest.raises(ConfigError) as caught:
        make_config(*overrides)
    assert "\n" not in str(caught.value)
    assert overrides[-1].partition("=")[0] in str(caught.value) or "objective" in str(caught.value)


def test_a_learned_prior_is_stored_and_loaded(blob_config, tmp_path):
    config = blob_config("bits", "prior=gaussian_mixture", "prior.num_components=4")
    results = run(config, tmp_path / "run")
    assert results["prior"] == "gaussian_mixture"
    vae = load_vae(tmp_path / "run")
    assert vae.prior.loc.shape == (4, 3)
    assert not torch.equal(vae.prior.logits, torch.zeros(4))
    assert not vae.training


def test_dropout_resumes_bit_for_bit(blob_config):
    """Its masks come from torch's global generator, which a new process has in another state."""
    config = blob_config("bits", "model.dropout=0.5", "model.hidden=[16]")

    def updated(steps, interrupt_at=None):
        training = Training(**fit_arguments(config, blobs("bits"), torch.device("cpu")))
        for step in range(steps):
            if step == interrupt_at:
                state = training.state_dict()
                training = Training(**fit_arguments(config, blobs("bits"), torch.device("cpu")))
                training.load_state_dict(state)
                torch.manual_seed(12345)
            training.update()
        return training.vae.state_dict()

    whole, resumed = updated(6), updated(6, interrupt_at=3)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
