"""What a VAE needs of its encoder and decoder.

A pair of networks is registered under a name as a function

    (image_shape, latent_dim, out_channels, *, options…) -> Networks(encoder, decoder)

where image_shape is (C, H, W) and out_channels = C·p, with p parameters of the likelihood per
channel.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from nfvae.registry import Registry

ImageShape = tuple[int, int, int]
"""Channels, height, width."""


class Encoder(nn.Module, ABC):
    """Images to features; the VAE's head makes q0 and the flow's parameters of them."""

    num_features: int
    """F, the length of what `forward` gives for each image."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] -> features [B, F]."""


class Decoder(nn.Module, ABC):
    """Latents to the parameters of the likelihood."""

    image_shape: ImageShape
    """(C, H, W) of the images it is for."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Latents [*, D], any number of axes -> likelihood parameters [*, C·p, H, W]."""

    @abstractmethod
    def set_output_bias(self, parameters: Tensor) -> None:
        """Make the output start near these likelihood parameters [C·p, H, W], whatever z is."""


class Networks(NamedTuple):
    """An encoder and the decoder that goes with it."""

    encoder: Encoder
    decoder: Decoder


NETWORKS = Registry("network")
register = NETWORKS.register
