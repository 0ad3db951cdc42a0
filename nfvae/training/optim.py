"""Optimizers and the learning rate's course."""

from collections.abc import Iterable
from math import cos, pi

from torch import nn, optim

from nfvae.config import OptimConfig


def make_optimizer(config: OptimConfig, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), or RMSprop.

    Fused: one pass over the weights instead of five.
    """
    if config.name == "adam":
        return optim.AdamW(
            parameters,
            lr=config.lr,
            betas=(config.betas[0], config.betas[1]),
            weight_decay=config.weight_decay,
            fused=True,
        )
    return optim.RMSprop(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )


def learning_rate(config: OptimConfig, step: int, max_steps: int) -> float:
    """At a step counted from 0: linear warm-up, times a half cosine that ends at 0 (or nothing)."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay = 0.5 * (1 + cos(pi * step / max_steps)) if config.decay == "cosine" else 1.0
    return config.lr * warmup * decay
