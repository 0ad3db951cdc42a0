"""torch.compile, where it is asked for."""

import os
import shutil

import torch

from nfvae.experiments.errors import ConfigError
from nfvae.flows import Flow


def compile_flow(flow: Flow, device: torch.device) -> None:
    """Have a flow compiled at its first calls, in place: the names of its weights stay as they are.

    The networks around it gain nothing: they are matrix products already.

    Raises:
        ConfigError: on a CPU, there is no C++ compiler.
    """
    compilers = (os.environ.get("CXX") or "g++", "clang++")
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise ConfigError(
            "trainer.compile=true needs a C++ compiler (g++, clang++ or the one that CXX names) "
            "and there is none; install one, or use trainer.compile=false"
        )
    flow.compile()
