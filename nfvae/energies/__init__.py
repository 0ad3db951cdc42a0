"""Two-dimensional target densities, and flows fitted to them without any VAE."""

from nfvae.energies.targets import ENERGIES, Energy

__all__ = ["ENERGIES", "Energy"]
