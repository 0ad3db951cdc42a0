"""Gated convolutional networks, as in the papers on Sylvester flows and FFJORD."""

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn

from nfvae.images import ImageShape
from nfvae.networks.base import Encoder, Networks, register
from nfvae.networks.convolutional import (
    ConvolutionalDecoder,
    pad_images,
    smallest_maps,
    zero_bias,
)


class GatedConvEncoder(Encoder):
    """Six gated convolutions: [B, C, H, W] -> [B, F].

    Args:
        image_shape: (C, H, W). Sides that are not multiples of 4 are padded with zeros.
        channels: channels of the first two layers; the next three have twice as many.
        features: F.

    >>> import torch
    >>> GatedConvEncoder((1, 28, 28))(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 256])
    """

    def __init__(self, image_shape: ImageShape, channels: int = 32, features: int = 256) -> None:
        super().__init__()
        self.num_features = features
        n = channels
        self.layers = nn.Sequential(
            *_gated(nn.Conv2d(image_shape[0], 2 * n, 5, stride=1, padding=2)),
            *_gated(nn.Conv2d(n, 2 * n, 5, stride=2, padding=2)),
            *_gated(nn.Conv2d(n, 4 * n, 5, stride=1, padding=2)),
            *_gated(nn.Conv2d(2 * n, 4 * n, 5, stride=2, padding=2)),
            *_gated(nn.Conv2d(2 * n, 4 * n, 5, stride=1, padding=2)),
            *_gated(nn.Conv2d(2 * n, 2 * features, smallest_maps(image_shape))),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(pad_images(x))
        return features


class GatedConvDecoder(ConvolutionalDecoder):
    """Six gated transposed convolutions and a 1×1 convolution: [*, D] -> [*, C·p, H, W].

    Args:
        latent_dim: D.
        image_shape: (C, H, W). Sides that are not multiples of 4 are cropped from the next
            multiple.
        out_channels: C·p.
        channels: channels of the last four gated layers; the first two have twice as many.

    >>> import torch
    >>> GatedConvDecoder(2, (1, 28, 28), 1)(torch.zeros(7, 5, 2)).shape
    torch.Size([7, 5, 1, 28, 28])
    """

    def __init__(
        self, latent_dim: int, image_shape: ImageShape, out_channels: int, channels: int = 32
    ) -> None:
        n = channels
        output = nn.Conv2d(n, out_channels, 1)
        nn.init.xavier_normal_(output.weight)
        zero_bias(output)
        layers = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            *_gated(nn.ConvTranspose2d(latent_dim, 4 * n, smallest_maps(image_shape))),
            *_gated(nn.ConvTranspose2d(2 * n, 4 * n, 5, stride=1, padding=2)),
            *_gated(nn.ConvTranspose2d(2 * n, 2 * n, 5, stride=2, padding=2, output_padding=1)),
            *_gated(nn.ConvTranspose2d(n, 2 * n, 5, stride=1, padding=2)),
            *_gated(nn.ConvTranspose2d(n, 2 * n, 5, stride=2, padding=2, output_padding=1)),
            *_gated(nn.ConvTranspose2d(n, 2 * n, 5, stride=1, padding=2)),
            output,
        )
        super().__init__(latent_dim, image_shape, out_channels, layers)


@register("gated_conv")
def gated_conv(
    image_shape: ImageShape,
    latent_dim: int,
    out_channels: int = 1,
    *,
    channels: Annotated[int, Ge(1), Le(10_000)] = 32,
    features: Annotated[int, Ge(1), Le(100_000)] = 256,
) -> Networks:
    """The convolutional encoder and decoder of van den Berg et al. (2018, appendix A).

    A layer is conv(x) · σ(conv′(x)). Kernels are 5×5, except that the encoder's last and the
    decoder's first layer cover the whole map, 7×7 for 28×28 images. FFJORD's VAEs have the same
    networks.

    Args:
        image_shape: (C, H, W).
        latent_dim: D.
        out_channels: C·p, with p the likelihood's parameters per channel.
        channels: channels of the layers at full size; deeper layers have twice as many. The papers
            have 32.
        features: F, the number of features. The papers have 256.

    >>> encoder, decoder = gated_conv((1, 28, 28), latent_dim=64)
    >>> sum(weight.numel() for weight in encoder.parameters())
    2171456
    """
    return Networks(
        GatedConvEncoder(image_shape, channels, features),
        GatedConvDecoder(latent_dim, image_shape, out_channels, channels),
    )


def _gated(conv: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, nn.Module]:
    """A gated layer: the first half of the channels times σ(the other half).

    The initial weights roughly preserve the variance of the signal: a gate is near ½ initially, so
    the half that it multiplies has twice the usual standard deviation.
    """
    transposed = isinstance(conv, nn.ConvTranspose2d)
    inputs = conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1]
    if transposed:  # each output sees one of stride² of the kernel's entries
        inputs = max(conv.in_channels, inputs // (conv.stride[0] * conv.stride[1]))
        if conv.padding[0] == 0:  # from a 1×1 map
            inputs = conv.in_channels
    value, gate = conv.weight.chunk(2, dim=1 if transposed else 0)
    nn.init.normal_(value, std=2 * inputs**-0.5)
    nn.init.normal_(gate, std=inputs**-0.5)
    zero_bias(conv)
    return conv, nn.GLU(dim=1)
