"""Encoders and decoders."""

from nfvae.networks.mlp import mlp

__all__ = ["mlp"]
