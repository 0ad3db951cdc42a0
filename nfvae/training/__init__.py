"""Training a VAE: the loop, its state and its callbacks. Start with `fit`."""

from nfvae.errors import StopTraining
from nfvae.training.callbacks import Callback, PrintProgress, Validation
from nfvae.training.fit import fit, load_state_dict, state_dict
from nfvae.training.schedule import Schedule, constant, warmup_decay
from nfvae.training.state import Training

__all__ = [
    "Callback",
    "PrintProgress",
    "Schedule",
    "StopTraining",
    "Training",
    "Validation",
    "constant",
    "fit",
    "load_state_dict",
    "state_dict",
    "warmup_decay",
]
