"""The interface of encoders and decoders.

A pair of networks is registered under a name as a function

    (image_shape, latent_dim, out_channels, *, options…) -> Networks(encoder, decoder)

where image_shape is (C, H, W) and out_channels = C·p, p the likelihood's parameters per channel.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from nfvae.images import ImageShape
from nfvae.registry import Registry


class Encoder(nn.Module, ABC):
    """Maps images to features; the VAE's head maps these to q0 and the flow's parameters.

    >>> import torch
    >>> class Conv(Encoder):
    ...     def __init__(self, channels):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(channels, 16, kernel_size=3, stride=2, padding=1)
    ...         self.num_features = 16
    ...
    ...     def forward(self, x):
    ...         return self.conv(x).relu().mean((-2, -1))
    >>> Conv(channels=3)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 16])
    """

    num_features: int
    """F, the number of features per image."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] -> features [B, F]."""


class Decoder(nn.Module, ABC):
    """Maps latents to the parameters of the likelihood.

    >>> import torch
    >>> class Conv(Decoder):
    ...     def __init__(self, latent_dim, image_shape, out_channels):
    ...         super().__init__()
    ...         self.image_shape = image_shape
    ...         height, width = image_shape[1:]
    ...         self.linear = nn.Linear(latent_dim, 8 * height * width)
    ...         self.unflatten = nn.Unflatten(-1, (8, height, width))
    ...         self.conv = nn.Conv2d(8, out_channels, kernel_size=3, padding=1)
    ...         self.bias = nn.Parameter(torch.zeros(out_channels, height, width))
    ...
    ...     def forward(self, z):
    ...         flat = self.unflatten(self.linear(z).relu().flatten(0, -2))  # one axis in front
    ...         return self.conv(flat).unflatten(0, z.shape[:-1]) + self.bias
    ...
    ...     def set_output_bias(self, parameters):
    ...         self.bias.data.copy_(parameters)
    >>> Conv(2, (1, 28, 28), out_channels=1)(torch.zeros(7, 5, 2)).shape
    torch.Size([7, 5, 1, 28, 28])
    """

    image_shape: ImageShape
    """(C, H, W) of the images."""
    latent_dim: int | None = None
    """D, or None if the decoder does not state it; a VAE compares it with that of its flow."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Latents [*, D], any number of axes -> likelihood parameters [*, C·p, H, W]."""

    @abstractmethod
    def set_output_bias(self, parameters: Tensor) -> None:
        """Make the initial output near these likelihood parameters [C·p, H, W], for every z."""


class Networks(NamedTuple):
    """An encoder and a decoder that belong together."""

    encoder: Encoder
    decoder: Decoder


NETWORKS = Registry("network")
register = NETWORKS.register
