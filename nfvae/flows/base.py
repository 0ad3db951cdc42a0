"""The base class of all flows: K transforms on R^D, one after the other, and their log-determinant.

Shapes in this package:

    z        [*sample, *batch, D]   points, with optional sample axes in front
    params   [*batch, param_size]   one parameter set per batch element (amortized: the encoder's
             [param_size]           output), or one for all points (a flow with plain parameters)
    log_det  [*sample, *batch]      Σ_k log|det ∂f_k/∂z_{k−1}|, in nats

Parameters broadcast over sample axes without being copied, so importance sampling encodes each
image once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from nfvae.errors import NotInvertibleError
from nfvae.precision import HALF, is_autocast, no_autocast


class Flow(nn.Module, ABC):
    """K transforms of R^dim with a tractable log-determinant.

    A family implements `param_size`, `initial_params`, `_forward`, `_inverse` and
    `_transform_log_dets`, or derives from `StepwiseFlow` and implements a single transform. The
    options of a family are the keyword-only arguments of its constructor; their annotations state
    the allowed values.

    Computations take place in float32 or float64: inputs in half precision are converted, and
    autocast is off within a flow. z_K then has the dtype of the inputs, log_det is float32.

    Args:
        dim: D, the dimension of the latent space, at least 1.
        num_transforms: K, at least 0; with K = 0 every flow is the identity.

    Raises:
        ValueError: dim or num_transforms is too small, or the family does not support it.

    Example:
        >>> import torch
        >>> from nfvae.flows import Planar
        >>> flow = Planar(dim=2, num_transforms=8)
        >>> z, log_det = flow(torch.randn(100, 2), flow.initial_params())
    """

    max_param_scale: float = inf
    """Largest σ for which the family is accurate, and finite in float32, with parameters drawn from
    N(0, σ²). The shared tests (tests/flows/test_properties.py) use σ up to this value or 100."""

    def __init__(self, dim: int, num_transforms: int) -> None:
        super().__init__()
        if dim < 1 or num_transforms < 0:
            raise ValueError(f"a flow needs dim >= 1 and K >= 0, got dim={dim}, K={num_transforms}")
        self.dim = dim
        self.num_transforms = num_transforms

    @property
    @abstractmethod
    def param_size(self) -> int:
        """Length of one parameter set, for all K transforms together.

        It must be linear in K, or in pairs of transforms. So must the number of the flow's weights.
        """

    @property
    def working_size(self) -> int:
        """Numbers per parameter set that a call holds besides parameters and points.

        It must be at most quadratic in K.
        """
        return 0

    @abstractmethod
    def initial_params(self) -> Tensor:
        """Initial parameters, shape [param_size]: the flow is at or near the identity.

        Random numbers, which make the transforms differ, are drawn from torch's global generator.
        """

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map z_0 to (z_K, log_det) with log_det = log|det ∂z_K/∂z_0|.

        Raises:
            ValueError: the shapes of z and params do not fit the flow or each other.
        """
        result: tuple[Tensor, Tensor] = self._checked(self._forward, z, params)
        return result

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map z_K to (z_0, log_det) with log_det = log|det ∂z_0/∂z_K|, minus that of `forward`.

        Raises:
            ValueError: as `forward`.
            NotInvertibleError: the family has no inverse that can be computed.
        """
        result: tuple[Tensor, Tensor] = self._checked(self._inverse, y, params)
        return result

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        """The K terms of forward's log_det, shape [K, *sample, *batch]; for monitoring.

        Raises:
            ValueError: as `forward`.
        """
        log_dets: Tensor = self._checked(self._transform_log_dets, z, params)
        return log_dets

    @abstractmethod
    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` for inputs that have been checked."""

    @abstractmethod
    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """`inverse` for inputs that have been checked."""

    @abstractmethod
    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        """`transform_log_dets` for inputs that have been checked."""

    def _checked(self, compute: Callable[[Tensor, Tensor], Any], z: Tensor, params: Tensor) -> Any:
        """Check shapes, then compute in float32 or float64."""
        points, sizes, device = z.shape, params.shape, z.device.type
        batch = sizes[:-1]
        if points[-1:] != (self.dim,):
            raise ValueError(
                f"points of shape {tuple(points)} do not fit a flow of dimension {self.dim}"
            )
        if sizes[-1:] != (self.param_size,):
            raise ValueError(
                f"parameters of shape {tuple(sizes)} do not fit a flow that takes "
                f"{self.param_size} numbers"
            )
        if points[max(len(points) - len(sizes), 0) : -1] != batch:
            raise ValueError(
                f"points of shape {tuple(points)} do not belong to parameters of batch shape "
                f"{tuple(batch)}"
            )
        if z.dtype == params.dtype and z.dtype not in HALF and not is_autocast(device):
            return compute(z, params)

        given = torch.promote_types(z.dtype, params.dtype)
        dtype = torch.promote_types(given, torch.float32)
        with no_autocast(device):
            result = compute(z.to(dtype), params.to(dtype))
        if isinstance(result, Tensor):
            return result
        point, log_det = result
        return point.to(given), log_det


class StepwiseFlow(Flow):
    """A flow computed one transform after the other; a family implements a single transform.

    For K transforms: `unpack` splits the parameters, and z = step(k, z, *own parameters) for
    k = 0 … K − 1.
    """

    @abstractmethod
    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        """The parameters of each transform, batch axes first. Does the work common to all K."""

    @abstractmethod
    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        """Transform k (from 0) and its log-determinant; `params` as `unpack` returns them."""

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of transform k, with the log-determinant of the inverse."""
        raise NotInvertibleError(f"{type(self).__name__} has no inverse, so no density at given z")

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        z, log_dets = self._run(z, params)
        return z, sum(log_dets, z.new_zeros(z.shape[:-1]))

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        total = y.new_zeros(y.shape[:-1])
        for k, own in reversed(list(enumerate(self.unpack(params)))):
            y, log_det = self.inverse_step(k, y, *own)
            total = total + log_det
        return y, total

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        shape = z.shape[:-1]
        _, log_dets = self._run(z, params)
        if not log_dets:
            return z.new_zeros(0, *shape)
        return torch.stack([log_det.expand(shape) for log_det in log_dets])

    def _run(self, z: Tensor, params: Tensor) -> tuple[Tensor, list[Tensor]]:
        """z_K and the log-determinants of the K transforms."""
        log_dets = []
        for k, own in enumerate(self.unpack(params)):
            z, log_det = self.step(k, z, *own)
            log_dets.append(log_det)
        return z, log_dets
