"""Encoders and decoders, in pairs by name."""

from nfvae.networks.base import NETWORKS, Decoder, Encoder, Networks, register
from nfvae.networks.gated_conv import GatedConvDecoder, GatedConvEncoder, gated_conv
from nfvae.networks.mlp import MLPDecoder, MLPEncoder, mlp
from nfvae.networks.resnet import ResNetDecoder, ResNetEncoder, resnet
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = [
    "NETWORKS",
    "Decoder",
    "Encoder",
    "GatedConvDecoder",
    "GatedConvEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "Networks",
    "ResNetDecoder",
    "ResNetEncoder",
    "gated_conv",
    "mlp",
    "register",
    "resnet",
]
