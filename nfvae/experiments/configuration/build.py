"""Build the model and its training from a checked configuration."""

import os
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn, optim

from nfvae.data import Dataset
from nfvae.experiments.configuration.config import (
    AdamConfig,
    Config,
    RMSpropConfig,
    VAEAdamConfig,
    VAERMSpropConfig,
)
from nfvae.experiments.configuration.parts import build_flow, build_networks, build_part
from nfvae.experiments.errors import ConfigError
from nfvae.images import ImageShape, Values
from nfvae.likelihoods import LIKELIHOODS
from nfvae.objective import Objective
from nfvae.seeds import stream_seed
from nfvae.training.schedule import warmup_decay
from nfvae.vae import VAE


def build_vae(config: Config, image_shape: ImageShape) -> VAE:
    """The untrained model; its weights are drawn from torch's global generator."""
    likelihood = build_part("likelihood", config.likelihood)
    out_channels = image_shape[0] * likelihood.parameters_per_channel
    flow = build_flow(config.flow, config.latent_dim, config.K)
    encoder, decoder = build_networks(config.model, image_shape, out_channels)
    prior = build_part("prior", config.prior, config.latent_dim)
    return VAE(encoder, flow, decoder, likelihood, prior)


def check_likelihood(config: Config, data: Dataset) -> None:
    """Check that the likelihood accepts the data's values; the error lists those that do."""
    likelihood = build_part("likelihood", config.likelihood)
    if data.values in likelihood.accepts:
        return
    raise ConfigError(
        f"likelihood={config.likelihood['name']} needs {' or '.join(likelihood.accepts)}, but "
        f"data={config.data['name']} holds {data.values}; for {data.values} use: "
        + (", ".join(_likelihoods_of(data.values)) or "none")
    )


def _likelihoods_of(values: Values) -> Iterator[str]:
    """Overrides that choose a likelihood of these values, with one option if it needs that."""
    for name in sorted(LIKELIHOODS):
        if values in LIKELIHOODS[name]().accepts:
            yield f"likelihood={name}"
            continue
        for key, (_, default) in LIKELIHOODS.options(name).items():
            switched = {key: not default} if isinstance(default, bool) else {}
            if values in LIKELIHOODS[name](**switched).accepts:
                yield f"likelihood={name} likelihood.{key}={str(not default).lower()}"


def fit_arguments(config: Config, data: Dataset, device: torch.device) -> dict[str, Any]:
    """The arguments of `nfvae.fit`, except callbacks; `data` are on the device."""
    torch.manual_seed(stream_seed(config.seed, "weights"))
    vae = build_vae(config, data.image_shape)  # on the CPU: the same weights for every device
    vae.initialize_output(data.train.mean().cpu())
    vae.to(device)
    if config.trainer.compile:
        check_compiler(device)
    num_steps, optim = count_steps(config, data), config.optim
    return {
        "vae": vae,
        "data": data,
        "num_steps": num_steps,
        "batch_size": config.trainer.batch_size,
        "optimizer": build_optimizer(optim, parameter_groups(optim, vae)),
        "schedule": warmup_decay(num_steps, optim.warmup_steps, optim.decay),
        "grad_clip": optim.grad_clip,
        "objective": Objective(**config.objective.model_dump()),
        "seed": config.seed,
        "compile": config.trainer.compile,
        "cuda_graph": config.trainer.cuda_graph,
    }


def count_steps(config: Config, data: Dataset) -> int:
    """Number of updates of the whole run; an error if a batch is larger than the training split."""
    batch_size, n = config.trainer.batch_size, len(data.train)
    if batch_size > n:
        raise ConfigError(
            f"trainer.batch_size={batch_size} does not fit; allowed: 1 to {n}, the number of "
            "training images"
        )
    if config.trainer.max_epochs is None:
        return config.trainer.max_steps
    return config.trainer.max_epochs * (n // batch_size)


def build_optimizer(
    config: AdamConfig | RMSpropConfig,
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
) -> optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), or RMSprop.

    `parameters` can be groups: dictionaries with `params` and settings of their own.
    """
    if isinstance(config, AdamConfig):
        return optim.AdamW(
            parameters,
            lr=config.lr,
            betas=(config.betas[0], config.betas[1]),
            weight_decay=config.weight_decay,
            fused=True,  # one pass over the weights instead of five
        )
    return optim.RMSprop(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )


def parameter_groups(
    config: VAEAdamConfig | VAERMSpropConfig, vae: VAE
) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
    """All weights; or those of q(z|x) and those of p(x, z), if the decoder has other settings."""
    own = {"peak_lr": config.decoder_lr, "weight_decay": config.decoder_weight_decay}
    given = {key: value for key, value in own.items() if value is not None}
    if not given:
        return vae.parameters()
    inference: dict[str, Any] = {"params": list(vae.inference_parameters())}
    return [inference, {"params": list(vae.generative_parameters()), **given}]


def check_compiler(device: torch.device) -> None:
    """Check that torch.compile can work on this device: on a CPU it needs a C++ compiler."""
    compilers = (os.environ.get("CXX") or "g++", "clang++")
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise ConfigError(
            "trainer.compile=true needs a C++ compiler (g++, clang++ or the one in CXX), but there "
            "is none; install one, or use trainer.compile=false"
        )
