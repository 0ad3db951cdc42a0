"""One thread for every test (more would fight over small products); small models and runs.

And folders of runs whose numbers are made up, short enough to check by hand.
"""

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from nfvae.data import Dataset, Split, load_dataset
from nfvae.experiments.configuration.config import parse_config
from nfvae.experiments.launching.composing import Composer
from nfvae.flows import FLOWS
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.vae import VAE

CONF = Path(__file__).parent.parent / "conf"


@pytest.fixture(autouse=True)
def _one_thread_and_the_same_draws():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def cuda() -> torch.device:
    """The GPU of a test that is marked `cuda`."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return torch.device("cuda:0")


def _first_images(split: Split, n: int) -> Split:
    labels = None if split.labels is None else split.labels[:n]
    return replace(split, images=split.images[:n], labels=labels)


def _read_little(**options) -> Dataset:
    data = load_dataset("mnist", **options)
    return replace(
        data,
        train=_first_images(data.train, 5000),
        val=None if data.val is None else _first_images(data.val, 1000),
        test=_first_images(data.test, 1000),
    )


_read_once = functools.cache(_read_little)


@pytest.fixture(autouse=True)
def _little_mnist(monkeypatch):
    """MNIST for runs of this process: 5,000 images to train and 1,000 to measure, read once."""

    def load(name: str, **options) -> Dataset:
        if name != "mnist":
            return load_dataset(name, **options)
        return (_read_little if options.get("root") else _read_once)(**options)

    monkeypatch.setattr("nfvae.experiments.configuration.parts.load_dataset", load)


@pytest.fixture(scope="session")
def make_config():
    """Compose and check the real configuration with overrides, as a job of a sweep does."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        loader = GlobalHydra.instance().config_loader()
        sweep = loader.load_configuration("train", ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
    composer = Composer(loader, sweep)
    return lambda *overrides: parse_config(composer.job(overrides, number=0).mapping)


@pytest.fixture
def tiny_vae():
    """A VAE on 20 pixels in float64 whose posterior depends on x and is far from Gaussian."""

    def make(flow: str = "planar", dim: int = 2, num_transforms: int = 4) -> VAE:
        torch.manual_seed(0)
        encoder, decoder = mlp((1, 4, 5), dim, hidden=[16])
        vae = VAE(encoder, FLOWS[flow](dim, num_transforms), decoder, Bernoulli())
        vae.initialize_output(torch.rand(1, 4, 5) * 0.8 + 0.1)
        vae.double()
        with torch.no_grad():
            for parameter in vae.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        return vae

    return make


SMALL = (
    "device=cpu",
    "K=2",
    "model.latent_dim=3",
    "model.hidden=[16]",
    "trainer.batch_size=20",
    "trainer.max_steps=30",
    "trainer.val_every=10",
    "trainer.checkpoint_every=10",
    "trainer.log_every=5",
    "trainer.progress=false",
    "eval.elbo_draws=2",
    "eval.num_samples=2",
)


@pytest.fixture
def small_config(make_config):
    """A run of 30 steps that takes about a second, through the real configuration."""
    return lambda *overrides: make_config(*SMALL, *overrides)


RESULTS = {
    "neg_elbo": 90.0,
    "neg_elbo_se": 0.25,
    "distortion": 64.0,
    "kl": 26.0,
    "sum_log_det": 1.0,
    "active_units": 20,
    "nll": 86.0,
    "nll_se": 0.125,
    "num_importance_samples": 5000,
    "split": "test",
    "data": "mnist",
    "binarization": "fixed",
    "flow": "planar",
    "K": 10,
    "latent_dim": 40,
    "seed": 0,
    "protocol": "ours",
    "checkpoint": "best",
    "steps": 50000,
    "num_parameters": 1000,
}


def config_of(results: dict, sections: dict) -> dict:
    """The configuration that belongs to results, with entries of its sections replaced."""
    data = {"name": results["data"], "binarization": results["binarization"]}
    if "train_on_val" in results:
        data["train_on_val"] = results["train_on_val"]
    config = {
        "K": results["K"],
        "seed": results["seed"],
        "device": "auto",
        "protocol": results["protocol"],
        "run": {"dir": None, "name": None},
        "data": data,
        "model": {"latent_dim": results["latent_dim"], "hidden": [400], "activation": "silu"},
        "flow": {"name": results["flow"]},
        "optim": {"name": "adam", "lr": 0.001},
        "trainer": {"max_steps": 50000, "max_epochs": None, "num_threads": 1},
        "eval": {"num_samples": results["num_importance_samples"], "checkpoint": "best"},
    }
    return config | {name: config.get(name, {}) | changes for name, changes in sections.items()}


@pytest.fixture
def write_run(tmp_path):
    """Write results.json (with `config`, config.yaml too); arguments replace its entries."""

    def write(name: str, config: dict | None = None, **changes) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(RESULTS | changes))
        if config is not None:
            content = config_of(RESULTS | changes, config)
            (folder / "config.yaml").write_text(yaml.safe_dump(content))
        return folder

    return write


@pytest.fixture
def write_unfinished(write_run):
    """Write the folder of a run that was cut off."""

    def write(name: str, log: str = "", config: dict | None = None, **changes) -> Path:
        folder = write_run(name, config or {}, **changes)
        (folder / "results.json").unlink()
        if log:
            (folder / "metrics.jsonl").write_text(log)
        return folder

    return write
