"""Likelihoods."""

from nfvae.likelihoods.bernoulli import bernoulli_log_likelihood

__all__ = ["bernoulli_log_likelihood"]
