"""Likelihoods p(x|z) by name."""

from nfvae.likelihoods.base import LIKELIHOODS, Likelihood, Values, register
from nfvae.likelihoods.bernoulli import Bernoulli
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = ["LIKELIHOODS", "Bernoulli", "Likelihood", "Values", "register"]
