"""Multilayer perceptrons."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

Activation = Literal["silu", "relu", "gated"]


def mlp(in_size: int, hidden: Sequence[int], activation: Activation) -> nn.Sequential:
    """The hidden layers of a perceptron: [*, in_size] -> [*, hidden[-1]].

    `silu`: a·σ(a), a = Wx + b; `relu`: max(0, a); `gated`: a·σ(Vx + c) (van den Berg et al. 2018,
    appendix A), with twice the parameters. Weights start as He's (2015), gated ones as Glorot's.
    """
    layers: list[nn.Module] = []
    for size in hidden:
        if activation == "gated":
            linear = nn.Linear(in_size, 2 * size)
            nn.init.xavier_normal_(linear.weight)
            layers += [linear, nn.GLU(dim=-1)]
        else:
            linear = nn.Linear(in_size, size)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, nn.SiLU() if activation == "silu" else nn.ReLU()]
        nn.init.zeros_(linear.bias)
        in_size = size
    return nn.Sequential(*layers)
