from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nfvae.experiments.commands.fit_energy import FitEnergyConfig
from nfvae.experiments.configuration.sections import check_section

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def make_fit_config():
    """Compose and check conf/fit_energy.yaml with overrides, as the script does."""

    def make(*overrides: str) -> FitEnergyConfig:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            composed = compose("fit_energy", overrides=list(overrides))
        return check_section(FitEnergyConfig, OmegaConf.to_container(composed, resolve=True))

    return make
