"""Likelihoods p(x|z) by name."""

from nfvae.images import Values
from nfvae.likelihoods.base import LIKELIHOODS, Likelihood, Measure, register
from nfvae.likelihoods.bernoulli import Bernoulli
from nfvae.likelihoods.categorical import Categorical
from nfvae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from nfvae.likelihoods.discretized_logistic import DiscretizedLogistic
from nfvae.likelihoods.gaussian import Gaussian
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Likelihood",
    "Measure",
    "Values",
    "register",
]
