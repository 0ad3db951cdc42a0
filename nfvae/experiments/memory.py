"""Whether a run fits into the machine, found before anything of it is built."""

import os
import resource
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from nfvae.experiments.config import Config, OptimConfig, flow_size
from nfvae.experiments.errors import ConfigError

BYTES = 4  # of a float32
PIXELS = 784


def check_memory(config: Config, device: torch.device) -> None:
    """Refuse a run whose training cannot fit.

    Raises:
        ConfigError: it needs more than there is, by an estimate from below: what a flow keeps
            within its steps is left out.
    """
    require_memory(
        num_parameters(config),
        numbers_per_parameter(config.optim, config.trainer.on_nan == "rewind"),
        config.trainer.batch_size * _numbers_per_image(config),
        available_memory(device),
        {
            "K": config.K,
            "model.latent_dim": config.model.latent_dim,
            "model.hidden": str(config.model.hidden).replace(" ", ""),
            **flow_sizes(config.flow),
            "trainer.batch_size": config.trainer.batch_size,
            "objective.num_samples": config.objective.num_samples,
        },
    )


def require_memory(
    parameters: int, copies: int, batch: int, available: int, keys: Mapping[str, object]
) -> None:
    """Refuse what needs more memory than there is.

    Args:
        parameters: their number.
        copies: numbers kept a parameter.
        batch: numbers kept of a batch from forward to backward.
        available: bytes.
        keys: of the configuration, with their values, that it follows from.

    Raises:
        ConfigError: it does not fit.
    """
    kept, passing = BYTES * parameters * copies, BYTES * batch
    if kept + passing > available:
        raise ConfigError(
            f"{' '.join(f'{key}={value}' for key, value in keys.items())} need about "
            f"{readable(kept + passing)} of memory, {readable(available)} are there "
            f"({parameters:,} parameters with gradients and optimizer: {readable(kept)}; a batch: "
            f"{readable(passing)}); make some of them smaller"
        )


def flow_sizes(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a flow that say how large its networks are, by their keys."""
    return {f"flow.{key}": value for key, value in flow.items() if key.endswith("_size")}


def num_parameters(config: Config, pixels: int = PIXELS) -> int:
    """Weights and biases of the VAE that a configuration describes."""
    hidden, dim = config.model.hidden, config.model.latent_dim
    flow = flow_size(config.flow, dim, config.K)
    wide = 2 if config.model.activation == "gated" else 1
    layers = [
        *((inputs, wide * outputs) for inputs, outputs in pairwise([pixels, *hidden])),
        (hidden[-1], 2 * dim + flow.param_size),
        *((inputs, wide * outputs) for inputs, outputs in pairwise([dim, *hidden[::-1]])),
        (hidden[0], pixels),
    ]
    return sum((inputs + 1) * outputs for inputs, outputs in layers) + flow.num_weights


def available_memory(device: torch.device) -> int:
    """Bytes: the GPU's, or the machine's as far as this process may have them."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (limit := container.read_text().strip()).isdigit():
        limits.append(int(limit))
    return min(limits)


def readable(size: float) -> str:
    """Bytes in three digits and a unit of powers of ten."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} ZB"


def numbers_per_parameter(optim: OptimConfig, keeps_good: bool = False) -> int:
    """Numbers kept a parameter: itself, gradient, the optimizer's, those of the last good state."""
    moments = 2 if optim.name == "adam" or optim.momentum else 1
    return 2 + moments + keeps_good * (1 + moments)


def _numbers_per_image(config: Config) -> int:
    """Kept from forward to backward: each layer's output before and after its activation."""
    hidden, dim = 2 * sum(config.model.hidden), config.model.latent_dim
    head = 2 * dim + flow_size(config.flow, dim, config.K).param_size
    per_sample = (config.K + 1) * dim + hidden + PIXELS
    return PIXELS + hidden + 2 * head + config.objective.num_samples * per_sample
