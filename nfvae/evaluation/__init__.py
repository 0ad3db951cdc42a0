"""Measuring a trained model: −ELBO, NLL, active units."""

from nfvae.evaluation.elbo import ElboEstimate, estimate_elbo
from nfvae.evaluation.nll import NllEstimate, estimate_nll, nll

__all__ = ["ElboEstimate", "NllEstimate", "estimate_elbo", "estimate_nll", "nll"]
