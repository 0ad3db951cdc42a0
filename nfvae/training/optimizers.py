"""Optimizers and the learning rate's course."""

from collections.abc import Iterable
from math import cos, pi
from typing import Any

from torch import nn, optim

from nfvae.experiments.config import OptimConfig


def make_optimizer(
    config: OptimConfig, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]]
) -> optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), or RMSprop.

    Args:
        config: the settings of all parameters.
        parameters: these, or groups of them: `params` with the settings that are their own.
    """
    if config.name == "adam":
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


def set_learning_rates(optimizer: optim.Optimizer, course: float) -> None:
    """Each group's becomes `course` times its `peak_lr`, where it has none the optimizer's."""
    for group in optimizer.param_groups:
        group["lr"] = course * group.get("peak_lr", optimizer.defaults["lr"])


def learning_rate_course(config: OptimConfig, step: int, max_steps: int) -> float:
    """What multiplies the learning rate at a step counted from 0.

    Linear warm-up, times a half cosine that ends at 0 (or nothing).
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay = 0.5 * (1 + cos(pi * step / max_steps)) if config.decay == "cosine" else 1.0
    return warmup * decay
