"""Encoders and decoders, in pairs by name."""

from nfvae.networks.base import NETWORKS, Decoder, Encoder, Networks, register
from nfvae.networks.mlp import MLPDecoder, MLPEncoder, mlp
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = [
    "NETWORKS",
    "Decoder",
    "Encoder",
    "MLPDecoder",
    "MLPEncoder",
    "Networks",
    "mlp",
    "register",
]
