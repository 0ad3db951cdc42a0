"""Common parts of convolutional networks: padding, leading axes of z, and the initial output."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nfvae.images import ImageShape
from nfvae.networks.base import Decoder

STRIDE = 4
"""Image side divided by the side of the smallest feature maps."""


def padded(size: int) -> int:
    """The smallest multiple of 4 that is at least `size`."""
    return -(-size // STRIDE) * STRIDE


def margins(image_shape: ImageShape) -> tuple[int, int, int, int]:
    """Pixels to add left, right, above and below so that both sides are multiples of 4."""
    height, width = (padded(size) - size for size in image_shape[1:])
    return width // 2, width - width // 2, height // 2, height - height // 2


def smallest_maps(image_shape: ImageShape) -> tuple[int, int]:
    """Height and width of the smallest feature maps."""
    return padded(image_shape[1]) // STRIDE, padded(image_shape[2]) // STRIDE


def pad_images(x: Tensor) -> Tensor:
    """Images with zeros around them: [B, C, H, W] -> [B, C, H′, W′], multiples of 4."""
    channels, height, width = x.shape[1:]
    around = margins((channels, height, width))
    return pad(x, around) if any(around) else x


def zero_bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Initialize the biases of a convolution to zero."""
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


class ConvolutionalDecoder(Decoder):
    """A decoder made of layers that map latents [N, D] to maps [N, C·p, H′, W′].

    The sides of the maps are multiples of 4; they are cropped to the image's size:
    [*, D] -> [*, C·p, H, W]. `offset` [C·p, H, W] is added to them, so that the
    decoder can start at a mean image. It is a constant, not a weight: it is stored with the
    weights, but it is not trained and does not count as a parameter.

    Args:
        latent_dim: D.
        image_shape: (C, H, W).
        out_channels: C·p.
        layers: the network, [N, D] -> [N, C·p, H′, W′].
    """

    offset: Tensor

    def __init__(
        self, latent_dim: int, image_shape: ImageShape, out_channels: int, layers: nn.Module
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.image_shape = image_shape
        self.layers = layers
        self.register_buffer("offset", torch.zeros(out_channels, *image_shape[1:]))

    def forward(self, z: Tensor) -> Tensor:
        maps = self.layers(z.reshape(-1, z.shape[-1]))
        left, _, above, _ = margins(self.image_shape)
        _, height, width = self.image_shape
        images: Tensor = maps[..., above : above + height, left : left + width] + self.offset
        return images.reshape(*z.shape[:-1], *self.offset.shape)

    def set_output_bias(self, parameters: Tensor) -> None:
        self.offset.copy_(parameters)
