"""Measure a trained model on a split, and describe its run: the content of results.json."""

from dataclasses import asdict
from math import isfinite, log, prod
from typing import Any

import torch

from nfvae.data import Split, SplitName
from nfvae.errors import DivergenceError
from nfvae.evaluation import estimate_elbo, estimate_nll
from nfvae.experiments.configuration.config import Checkpoint, Config, MeasureConfig
from nfvae.experiments.configuration.device import device_name
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.monitoring.progress import progress_bar
from nfvae.seeds import stream_seed
from nfvae.training import Training, Validation
from nfvae.training.ranks import ALONE, Ranks
from nfvae.vae import VAE


def measure(
    vae: VAE,
    split: Split,
    name: SplitName,
    config: MeasureConfig,
    checkpoint: Checkpoint,
    stop: StopRequest,
    show_progress: bool = True,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """−ELBO, its terms and the NLL of a model on a split, in nats per image.

    If pixels are levels and the likelihood gives their probability, the results also have
    `bits_per_dim` (of the NLL) and `neg_elbo_bits_per_dim`.

    `name`, of the split, and `checkpoint`, of the model, are for messages. `ranks`
    estimate it together.

    Raises:
        Interrupted: `stop` was set.
    """
    rows = len(split) * (config.elbo_draws + config.num_samples) // ranks.size
    with progress_bar(name, rows, show=show_progress) as bar:

        def on_rows(rows: int) -> None:
            bar.update(rows)
            stop.check()

        seed, spread = stream_seed(config.seed, "evaluation"), ranks.spread
        generator = torch.Generator(split.images.device).manual_seed(seed)
        measured = asdict(estimate_elbo(vae, split, config.elbo_draws, generator, on_rows, spread))
        nll = {"nll": None, "nll_se": None, "num_importance_samples": 0}
        if config.num_samples:
            nll = asdict(estimate_nll(vae, split, config.num_samples, generator, on_rows, spread))
    results: dict[str, Any] = measured | nll
    if split.values == "levels" and vae.likelihood.measure == "mass":
        for bits, nats in (("neg_elbo_bits_per_dim", "neg_elbo"), ("bits_per_dim", "nll")):
            value = results[nats]
            results[bits] = None if value is None else value / (prod(vae.image_shape) * log(2))
    for key, value in results.items():
        if value is not None and not isfinite(value):
            raise DivergenceError(
                f"{key} on the {name} split is {value}: the model of eval.checkpoint="
                f"{checkpoint} is unusable and no results are written; train again with lower "
                "learning rates in another run.dir"
            )
    return results | {"split": name}


def describe(
    config: Config, training: Training, validation: Validation, rewinds: int
) -> dict[str, Any]:
    """Facts about a run that are needed to compare its results."""
    data = training.data
    validated = data.val is not None
    seconds = training.stopwatch.seconds
    return {
        "data": data.name,
        "binarization": data.binarization,
        "train_on_val": not validated,
        "data_digest": data.digest,
        "image_shape": list(data.image_shape),
        "num_train": len(data.train),
        "num_val": len(data.val or ()),
        "num_test": len(data.test),
        "likelihood": config.likelihood["name"],
        "prior": config.prior["name"],
        "objective_is_bound": training.objective.is_bound,
        "beta": config.objective.beta,
        "free_bits": config.objective.free_bits,
        "model": config.model["name"],
        "flow": config.flow["name"],
        "K": config.K,
        "latent_dim": config.latent_dim,
        "seed": config.seed,
        "protocol": config.protocol,
        "checkpoint": config.eval.checkpoint,
        "best_step": validation.best_step if validated else None,
        "val_neg_elbo": validation.best_neg_elbo if validated else None,
        "steps": training.step,
        "rewinds": rewinds,
        "epochs": training.epoch,
        "num_parameters": sum(p.numel() for p in training.vae.parameters()),
        "train_seconds": seconds,
        "steps_per_second": training.step / seconds,
        "device": device_name(training.device),
        "compile": config.trainer.compile,
        "cuda_graph": config.trainer.cuda_graph,
    }
