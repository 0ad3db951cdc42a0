"""Check that a run fits into memory, before anything is built."""

import json
from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nfvae.experiments.configuration.build import build_vae
from nfvae.experiments.configuration.config import AdamConfig, Config, RMSpropConfig
from nfvae.experiments.configuration.control_group import available_memory
from nfvae.experiments.configuration.parts import flow_size, sizes, without_memory
from nfvae.experiments.errors import ConfigError
from nfvae.images import ImageShape

BYTES = 4  # per float32


def check_memory(
    config: Config, image_shape: ImageShape, device: torch.device, num_processes: int = 1
) -> None:
    """Refuse a run whose processes, with their part of a batch each, need more than the memory.

    The estimate is a lower bound: it leaves out most of what a flow stores within its transforms.
    """
    size = model_size(config, image_shape)
    batch, num_samples = config.trainer.batch_size, config.objective.num_samples
    require_memory(
        size.num_parameters,
        numbers_per_parameter(config.optim, config.trainer.on_nan == "rewind"),
        ceil(batch / num_processes) * (size.per_image + num_samples * size.per_sample),
        available_memory(device),
        {"K": config.K, **_model_sizes(config), **sizes(config.flow)}
        | {"trainer.batch_size": batch, "objective.num_samples": num_samples},
    )


class ModelSize(NamedTuple):
    """Sizes of a model that is described but not built, as counts of numbers."""

    num_parameters: int
    """Weights and biases."""
    per_image: int
    """Stored for the backward pass, for each image."""
    per_sample: int
    """Stored for the backward pass, for each sample of z."""


_SIZES: dict[str, ModelSize] = {}
"""Sizes by model, which the runs of a sweep share."""


def model_size(config: Config, image_shape: ImageShape) -> ModelSize:
    """Sizes of the model that a configuration describes."""
    model = config.model_dump(include={"model", "flow", "K", "likelihood", "prior"})
    key = json.dumps([model, image_shape])
    if key not in _SIZES:
        _SIZES[key] = _measured(config, image_shape)
    return _SIZES[key]


def _measured(config: Config, image_shape: ImageShape) -> ModelSize:
    dim, K = config.latent_dim, config.K
    flow = flow_size(config.flow, dim, K)
    without_flow = config.model_copy(update={"flow": {"name": "none"}, "K": 0})

    def measure() -> ModelSize:
        vae, pixels = build_vae(without_flow, image_shape), torch.empty(2, *image_shape)
        weights = sum(weight.numel() for weight in vae.parameters()) + flow.num_weights
        outputs = 2 * dim + flow.param_size  # of the head
        return ModelSize(
            weights + (vae.encoder.num_features + 1) * flow.param_size,
            pixels[0].numel() + _kept(vae.encoder, pixels) + 2 * outputs + flow.working_size,
            (K + 1) * dim + _kept(vae.decoder, torch.empty(2, dim)),
        )

    size: ModelSize = without_memory(measure, _model_sizes(config))
    return size


def _kept(network: nn.Module, x: Tensor) -> int:
    """Numbers in the outputs of all layers, for one of the two rows of x."""
    total = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor):
            total += output.numel() // len(x)

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(count)
    network(x)
    return total


def require_memory(
    parameters: int, copies: int, batch: int, available: int, keys: Mapping[str, object]
) -> None:
    """Refuse what needs more memory than is available.

    Args:
        parameters: number of parameters.
        copies: numbers stored per parameter.
        batch: numbers stored per batch for the backward pass.
        available: available memory in bytes.
        keys: the keys of the configuration that determine these sizes, with their values.
    """
    fixed, passing = BYTES * parameters * copies, BYTES * batch
    if fixed + passing > available:
        sizes = (fixed + passing, available, fixed, passing)
        total, there, kept, per_batch = (tqdm.format_sizeof(size, "B") for size in sizes)
        raise ConfigError(
            f"{' '.join(f'{key}={value}' for key, value in keys.items())} need about {total} of "
            f"memory, but {there} are available ({parameters:,} parameters with gradients and "
            f"optimizer: {kept}; a batch: {per_batch}); make some of them smaller"
        )


def numbers_per_parameter(optim: AdamConfig | RMSpropConfig, keeps_good: bool = False) -> int:
    """Numbers per parameter: itself, gradient, moments, and those of the last good state."""
    moments = 2 if isinstance(optim, AdamConfig) or optim.momentum else 1
    return 2 + moments + keeps_good * (1 + moments)


def _model_sizes(config: Config) -> dict[str, str]:
    """The options of the networks that are sizes, by key."""
    sizes = {k: v for k, v in config.model.items() if type(v) in (int, list)}
    return {f"model.{key}": str(value).replace(" ", "") for key, value in sizes.items()}
