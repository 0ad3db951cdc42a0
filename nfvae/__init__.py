"""Variational autoencoders with normalizing-flow posteriors.

>>> import nfvae
>>> data = nfvae.load_dataset("mnist")
>>> encoder, decoder = nfvae.networks.mlp(data.image_shape, latent_dim=40)
>>> vae = nfvae.VAE(encoder, nfvae.Planar(40, 16), decoder, nfvae.Bernoulli())
>>> vae.initialize_output(data.train.mean())
>>> training = nfvae.fit(vae, data, num_steps=2)
>>> x = next(data.test.batches(10))
>>> nfvae.nll(vae, x, num_samples=50).shape
torch.Size([10])
>>> vae.sample(64).shape
torch.Size([64, 1, 28, 28])

Names are imported when they are first used, so that importing the package does not load torch.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nfvae import flows, likelihoods, networks, priors
    from nfvae.data import Dataset, load_dataset
    from nfvae.energies import ENERGIES, fit_energy
    from nfvae.evaluation import estimate_elbo, estimate_nll, nll
    from nfvae.experiments.api import compose, load, train
    from nfvae.flows import (
        IAF,
        NICE,
        Compose,
        Flow,
        FullRank,
        Householder,
        HouseholderSylvester,
        Identity,
        OrthogonalSylvester,
        Planar,
        Radial,
        RealNVP,
        Spline,
        TriangularSylvester,
    )
    from nfvae.likelihoods import (
        Bernoulli,
        Categorical,
        ContinuousBernoulli,
        DiscretizedLogistic,
        Gaussian,
        Likelihood,
    )
    from nfvae.networks import Decoder, Encoder
    from nfvae.objective import Objective, elbo, elbo_terms, importance_weighted
    from nfvae.posterior import FlowPosterior
    from nfvae.priors import GaussianMixture, Prior, StandardNormal
    from nfvae.training import Callback, PrintProgress, Training, Validation, fit
    from nfvae.vae import VAE

__version__ = "0.2.0"

__all__ = [
    "ENERGIES",
    "IAF",
    "NICE",
    "VAE",
    "Bernoulli",
    "Callback",
    "Categorical",
    "Compose",
    "ContinuousBernoulli",
    "Dataset",
    "Decoder",
    "DiscretizedLogistic",
    "Encoder",
    "Flow",
    "FlowPosterior",
    "FullRank",
    "Gaussian",
    "GaussianMixture",
    "Householder",
    "HouseholderSylvester",
    "Identity",
    "Likelihood",
    "Objective",
    "OrthogonalSylvester",
    "Planar",
    "PrintProgress",
    "Prior",
    "Radial",
    "RealNVP",
    "Spline",
    "StandardNormal",
    "Training",
    "TriangularSylvester",
    "Validation",
    "compose",
    "elbo",
    "elbo_terms",
    "estimate_elbo",
    "estimate_nll",
    "fit",
    "fit_energy",
    "flows",
    "importance_weighted",
    "likelihoods",
    "load",
    "load_dataset",
    "networks",
    "nll",
    "priors",
    "train",
]

# The modules that define the names, searched in this order. Only the last needs nfvae.experiments.
_HOMES = (
    *("vae", "flows", "networks", "likelihoods", "priors", "posterior", "objective", "data"),
    *("training", "evaluation", "energies", "experiments.api"),
)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        for home in _HOMES:
            found = getattr(import_module(f"{__name__}.{home}"), name, None)
            # `compose` is a function of `experiments.api`, and also a file of `flows`.
            if found is not None and not isinstance(found, ModuleType):
                globals()[name] = found  # later uses do not call this function
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
