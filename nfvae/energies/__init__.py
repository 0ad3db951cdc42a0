"""Two-dimensional target densities, and flows fitted to them without any VAE."""

from nfvae.energies.fit import UnconditionalPosterior, fit_energy
from nfvae.energies.targets import ENERGIES, Energy

__all__ = ["ENERGIES", "Energy", "UnconditionalPosterior", "fit_energy"]
