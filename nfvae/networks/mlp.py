"""Multilayer perceptrons."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, Len, Lt
from torch import Tensor, nn

from nfvae.images import ImageShape
from nfvae.networks.base import Decoder, Encoder, Networks, register

Activation = Literal["silu", "relu", "gated"]
ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "gated": nn.GLU,  # along the last axis
}
Sizes = Annotated[list[Annotated[int, Ge(1), Le(100_000)]], Len(1, 100)]


class MLPEncoder(Encoder):
    """A perceptron on flattened images: [B, C, H, W] -> [B, hidden[-1]].

    Args:
        image_shape: (C, H, W).
        hidden: size of each layer.
        activation, layer_norm, dropout: see `hidden_layers`.

    >>> MLPEncoder((1, 28, 28), [400, 200])(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 200])
    """

    def __init__(
        self,
        image_shape: ImageShape,
        hidden: Sequence[int],
        activation: Activation = "silu",
        layer_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_features = hidden[-1]
        self.layers = hidden_layers(prod(image_shape), hidden, activation, layer_norm, dropout)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x.flatten(-3))
        return features


class MLPDecoder(Decoder):
    """A perceptron from latents to the likelihood's parameters: [*, D] -> [*, C·p, H, W].

    Args:
        latent_dim: D.
        image_shape: (C, H, W).
        out_channels: C·p.
        hidden: size of each layer, starting after the latents.
        activation, layer_norm, dropout: see `hidden_layers`.

    >>> MLPDecoder(2, (1, 28, 28), 1, [200, 400])(torch.zeros(7, 5, 2)).shape
    torch.Size([7, 5, 1, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int,
        image_shape: ImageShape,
        out_channels: int,
        hidden: Sequence[int],
        activation: Activation = "silu",
        layer_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.out_shape = (out_channels, *image_shape[1:])
        self.layers = hidden_layers(latent_dim, hidden, activation, layer_norm, dropout)
        self.output = nn.Linear(hidden[-1], prod(self.out_shape))
        nn.init.xavier_normal_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, z: Tensor) -> Tensor:
        return torch.unflatten(self.output(self.layers(z)), -1, self.out_shape)

    def set_output_bias(self, parameters: Tensor) -> None:
        with torch.no_grad():
            self.output.bias.copy_(parameters.flatten())


@register("mlp")
def mlp(
    image_shape: ImageShape,
    latent_dim: int,
    out_channels: int = 1,
    *,
    hidden: Sizes = [400, 400],  # noqa: B006  (read only)
    activation: Activation = "silu",
    layer_norm: bool = False,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> Networks:
    """An MLP encoder, and a decoder with its layers in reverse order.

    Args:
        image_shape: (C, H, W).
        latent_dim: D.
        out_channels: C·p, with p the likelihood's parameters per channel.
        hidden: sizes of the encoder's hidden layers.
        activation, layer_norm, dropout: see `hidden_layers`.

    Raises:
        ValueError: there is no hidden layer, or no such activation.

    >>> encoder, decoder = mlp((1, 28, 28), latent_dim=40)
    """
    if not hidden:
        raise ValueError("hidden needs at least one layer size")
    return Networks(
        MLPEncoder(image_shape, hidden, activation, layer_norm, dropout),
        MLPDecoder(
            latent_dim, image_shape, out_channels, hidden[::-1], activation, layer_norm, dropout
        ),
    )


def hidden_layers(
    in_size: int,
    hidden: Sequence[int],
    activation: Activation,
    layer_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Linear layers with an activation after each: [*, in_size] -> [*, hidden[-1]].

    `silu`: a·σ(a), a = Wx + b; `relu`: max(0, a); `gated`: a·σ(Vx + c) (van den Berg et al. 2018,
    appendix A), with twice the parameters. Weights are initialized as in He et al. (2015), those of
    gated layers as in Glorot & Bengio (2010).

    `layer_norm` normalizes Wx + b (in gated layers together with Vx + c) before the activation (Ba
    et al. 2016). `dropout` is the probability that a hidden unit is set to zero in a training step
    (Srivastava et al. 2014); in evaluation mode nothing is dropped.

    Raises:
        ValueError: the activation is unknown.
    """
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation must be one of {known}, got {activation!r}")
    layers: list[nn.Module] = []
    for size in hidden:
        if activation == "gated":
            linear = nn.Linear(in_size, 2 * size)
            nn.init.xavier_normal_(linear.weight)
        else:
            linear = nn.Linear(in_size, size)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers.append(linear)
        if layer_norm:
            layers.append(nn.LayerNorm(linear.out_features))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        in_size = size
    return nn.Sequential(*layers)
