"""The device of a run."""

import re

import torch

from nfvae.experiments.errors import ConfigError


def check_device(name: str) -> str:
    """Check the name of a device: auto, cpu, cuda or cuda:N; raises ValueError."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise ValueError("should be auto, cpu, cuda or cuda:N with the number of a GPU")
    return name


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device of this name; `auto` is the first CUDA device, or the CPU if there is none.

    On a GPU, float32 then means float32: cuDNN's convolutions have TF32 turned off.

    `local_rank`: number of this process, if there are several on this machine; it has the GPU of
    that number.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and local_rank is not None:
        if name != "cuda":
            raise ConfigError(f"device={name} is one GPU for several processes; use device=cuda")
        if local_rank >= count:
            raise ConfigError(
                f"process {local_rank} of this machine has no GPU: PyTorch sees {count}; use at "
                f"most --nproc-per-node={count}, or device=cpu"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    if device.type == "cuda" and (device.index or 0) >= count:
        seen = f"only {count}" if count else "no"
        raise ConfigError(
            f"device={name}, but PyTorch sees {seen} CUDA device; use device=cpu or auto"
        )
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # PyTorch's default rounds factors to 10 bits
    return device


def device_name(device: torch.device) -> str:
    """The GPU's name, or cpu; for results."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
