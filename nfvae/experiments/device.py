"""Where a run computes."""

import torch

from nfvae.experiments.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """`auto` is the first CUDA device if there is one, else the CPU.

    Raises:
        ConfigError: CUDA was asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ConfigError("device=cuda, but PyTorch sees no CUDA device; use device=cpu or auto")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """As results tell it: the GPU's name, or cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
