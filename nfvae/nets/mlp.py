"""Multilayer perceptrons with ReLU or gated hidden layers."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

Activation = Literal["relu", "gated"]


def mlp(in_size: int, hidden: Sequence[int], activation: Activation) -> nn.Sequential:
    """The hidden layers of a perceptron: [*, in_size] -> [*, hidden[-1]].

    `relu`: max(0, Wx + b), He initialisation. `gated`: (Wx + b)·σ(Vx + c) (van den Berg et al.
    2018, appendix A), twice the parameters a layer.
    """
    layers: list[nn.Module] = []
    for size in hidden:
        if activation == "relu":
            linear = nn.Linear(in_size, size)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, nn.ReLU()]
        else:
            linear = nn.Linear(in_size, 2 * size)
            nn.init.xavier_normal_(linear.weight)
            layers += [linear, nn.GLU(dim=-1)]
        nn.init.zeros_(linear.bias)
        in_size = size
    return nn.Sequential(*layers)
