"""Hydra's task functions: one decorated function per command that YAML files configure.

Each imports its command only when it runs, so that help and completion do not import torch.
"""

import hydra
from omegaconf import DictConfig

from nfvae.experiments.command_line.conf import CONF
from nfvae.experiments.command_line.task_runner import run_task

PATH = str(CONF)


@hydra.main(version_base="1.3", config_path=PATH, config_name="train")
def train(config: DictConfig) -> float | None:
    """Train a VAE; returns the best validation −ELBO in nats, which a sweeper can minimize."""
    from nfvae.experiments.commands.train import train

    return run_task(train, config)


@hydra.main(version_base="1.3", config_path=PATH, config_name="evaluate")
def evaluate(config: DictConfig) -> float | None:
    """Measure a trained run again."""
    from nfvae.experiments.commands.evaluate import evaluate

    return run_task(evaluate, config)


@hydra.main(version_base="1.3", config_path=PATH, config_name="picture")
def picture(config: DictConfig) -> float | None:
    """Draw reconstructions and samples of a run."""
    from nfvae.experiments.commands.picture import picture

    return run_task(picture, config)


@hydra.main(version_base="1.3", config_path=PATH, config_name="posterior_2d")
def posterior_2d(config: DictConfig) -> float | None:
    """Draw q(z|x) and p(z|x)."""
    from nfvae.experiments.commands.posterior_2d import posterior_2d

    return run_task(posterior_2d, config)


@hydra.main(version_base="1.3", config_path=PATH, config_name="fit_energy")
def fit_energy(config: DictConfig) -> float | None:
    """Fit a flow to a 2-D energy."""
    from nfvae.experiments.commands.fit_energy import fit_energy

    return run_task(fit_energy, config)


@hydra.main(version_base="1.3", config_path=PATH, config_name="benchmark")
def benchmark(config: DictConfig) -> float | None:
    """Time flows, training steps, the NLL and start-up."""
    from nfvae.experiments.commands.benchmark import benchmark

    return run_task(benchmark, config)
