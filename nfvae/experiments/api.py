"""Experiments from Python: a configuration, a run, and a trained model."""

from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.configuration.config import Config, parse_config
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import stop_on_signals
from nfvae.experiments.running.loading import load_vae as load
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.naming import run_path
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.terminal.hydra_errors import explain_hydra
from nfvae.experiments.terminal.tasks import plain
from nfvae.paths import expand

__all__ = ["compose", "load", "train"]


def compose(*overrides: str) -> Config:
    """The configuration that `nfvae train` would use with these overrides, checked.

    Args:
        overrides: written as on the command line.

    Raises:
        ConfigError: an unknown key or value, or parts that do not fit.

    >>> config = compose("flow=planar", "K=16", "trainer.max_steps=1000")
    >>> config.K, config.flow["constraint"], config.trainer.max_steps
    (16, 'identity', 1000)
    """
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            composed = hydra.compose("train", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain_hydra(error, "train")) from None
    return parse_config(plain(composed))


def train(config: Config, folder: Path | str | None = None) -> dict[str, Any]:
    """Train in a run folder, or resume there; returns the content of results.json.

    Args:
        config: the result of `compose`.
        folder: the run's folder, with ~ expanded; None is the one that the configuration names.

    Raises:
        NfvaeError: the folder, the data or a checkpoint cannot be used, or training diverged.
        Interrupted: a signal stopped the run; it is saved.

    >>> import tempfile
    >>> config = compose("K=2", "model.hidden=[20]", "trainer.max_steps=2", "eval.num_samples=0")
    >>> results = train(config, tempfile.mkdtemp())
    >>> results["steps"], results["nll"]
    (2, None)
    """
    path = run_path(config, ()) if folder is None else expand(folder, "folder")
    with stop_on_signals() as stop:
        return run_training(config, RunFolder(path), stop)
