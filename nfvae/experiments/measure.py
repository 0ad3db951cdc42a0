"""Measuring a trained model on a split: what results.json holds of the test split."""

from contextlib import closing
from dataclasses import asdict
from math import isfinite
from typing import Any

import torch

from nfvae.data import Split, SplitName
from nfvae.errors import DivergenceError
from nfvae.evaluation import estimate_elbo, estimate_nll
from nfvae.experiments.config import Checkpoint, MeasureConfig
from nfvae.experiments.device import device_name
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.monitoring.progress import Progress
from nfvae.training.state import TrainingState
from nfvae.vae import VAE


def measure(
    vae: VAE,
    split: Split,
    name: SplitName,
    config: MeasureConfig,
    checkpoint: Checkpoint,
    stop: StopRequest,
    bar: bool = True,
) -> dict[str, Any]:
    """−ELBO, its terms and the NLL of a model on a split, in nats per image.

    `name` is the split's and `checkpoint` the model's, for messages.

    Raises:
        ValueError: the split's bits are drawn anew for each batch.
        Interrupted: `stop` was set.
        DivergenceError: a figure is NaN or infinite.
    """
    rows = len(split) * (config.elbo_draws + config.num_samples)
    with closing(Progress(name, rows, bar=bar)) as progress:

        def on_rows(rows: int) -> None:
            progress.advance(rows)
            stop.check()

        generator = torch.Generator(split.pixels.device).manual_seed(config.seed)
        measured = asdict(estimate_elbo(vae, split, config.elbo_draws, generator, on_rows))
        nll = {"nll": None, "nll_se": None, "num_importance_samples": 0}
        if config.num_samples:
            nll = asdict(estimate_nll(vae, split, config.num_samples, generator, on_rows))
    results = measured | nll
    for key, value in results.items():
        if value is not None and not isfinite(value):
            raise DivergenceError(
                f"{key} on the {name} split is {value}: the model of eval.checkpoint="
                f"{checkpoint} is of no use and no results are written; train again with lower "
                "learning rates in another run.dir"
            )
    return results | {"split": name}


def describe(state: TrainingState) -> dict[str, Any]:
    """What a measurement of a run's model must be read with."""
    config = state.config
    validated = state.data.val is not None
    return {
        "data": config.data.name,
        "binarization": config.data.binarization,
        "train_on_val": config.data.train_on_val,
        "flow": config.flow["name"],
        "K": config.K,
        "latent_dim": config.model.latent_dim,
        "seed": config.seed,
        "protocol": config.protocol,
        "checkpoint": config.eval.checkpoint,
        "best_step": state.best_step if validated else None,
        "val_neg_elbo": state.best_neg_elbo if validated else None,
        "steps": state.step,
        "rewinds": state.rewinds,
        "epochs": state.epoch,
        "num_parameters": sum(p.numel() for p in state.vae.parameters()),
        "train_seconds": state.train_seconds,
        "steps_per_second": state.step / state.train_seconds,
        "device": device_name(state.device),
        "num_threads": torch.get_num_threads(),
    }
