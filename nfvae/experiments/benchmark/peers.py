"""Planar flows of other libraries, behind the call `(z, params) -> (z_K, log_det)`."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from nfvae.experiments.benchmark.planar_loops import PlanarLoop
from nfvae.experiments.errors import ConfigError

FlowFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def pyro_planar(dim: int, num_transforms: int) -> FlowFunction:
    """Pyro's ConditionalPlanar, conditioned on the packed parameters of `Planar`."""
    try:
        from pyro.distributions.transforms import ConditionalPlanar
    except ImportError:
        raise missing("pyro") from None
    Distribution.set_default_validate_args(True)  # Pyro's import turns torch's checks off
    unpack = PlanarLoop(dim, num_transforms).unpack

    def flow(z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_det = z.new_zeros(z.shape[:-1])
        for w, u, b in unpack(params):
            # Pyro calls a network for (bias, u, w); here they are the parameters themselves
            step = ConditionalPlanar(lambda context: context).condition((b, u, w))
            y = step(z)
            log_det = log_det + step.log_abs_det_jacobian(z, y)
            z = y
        return z, log_det

    return flow


def normflows_planar(dim: int, num_transforms: int) -> FlowFunction:
    """normflows' Planar; it has one set of parameters for all images and ignores `params`."""
    try:
        from normflows.flows import Planar
    except ImportError:
        raise missing("normflows") from None
    steps = [Planar((dim,)) for _ in range(num_transforms)]
    for step in steps:
        torch.nn.init.zeros_(step.u)

    def flow(z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        shape = z.shape
        z, log_det = z.reshape(-1, dim), z.new_zeros(z.shape[:-1].numel())
        for step in steps:
            z, step_log_det = step(z)
            log_det = log_det + step_log_det
        return z.reshape(shape), log_det.reshape(shape[:-1])

    return flow


def missing(library: str) -> ConfigError:
    """The error for a library that is not installed."""
    return ConfigError(
        f"{library} cannot be imported, so there is nothing to compare with; "
        "pip install -e '.[bench]', or leave it out with peers=false"
    )
