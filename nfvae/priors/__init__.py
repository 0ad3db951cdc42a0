"""Priors p(z) by name."""

from nfvae.priors.base import PRIORS, Prior, register
from nfvae.priors.gaussian_mixture import GaussianMixture
from nfvae.priors.standard_normal import StandardNormal, log_standard_normal
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = [
    "PRIORS",
    "GaussianMixture",
    "Prior",
    "StandardNormal",
    "log_standard_normal",
    "register",
]
