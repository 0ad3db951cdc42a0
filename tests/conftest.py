"""One thread for every test (more would fight over small products); small models and runs."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nfvae.config import Config, parse_config
from nfvae.flows import FLOWS
from nfvae.vae import VAE

CONF = Path(__file__).parent.parent / "conf"


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def make_config(tmp_path):
    """Compose and check the real configuration with overrides, as train.py does."""

    def make(*overrides: str) -> Config:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            composed = compose("train", overrides=list(overrides))
        return parse_config(OmegaConf.to_container(composed, resolve=True))

    return make


@pytest.fixture
def tiny_vae():
    """A VAE on 20 pixels in float64 whose posterior depends on x and is far from Gaussian."""

    def make(flow: str = "planar", dim: int = 2, num_steps: int = 4) -> VAE:
        torch.manual_seed(0)
        vae = VAE(FLOWS[flow](dim, num_steps), torch.rand(20) * 0.8 + 0.1, hidden=[16]).double()
        with torch.no_grad():
            for parameter in vae.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        return vae

    return make


SMALL = (
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
