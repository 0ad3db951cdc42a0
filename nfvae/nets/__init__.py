"""Encoders and decoders."""

from nfvae.nets.mlp import mlp

__all__ = ["mlp"]
