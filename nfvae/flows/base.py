"""What every flow is: a stack of K maps z ↦ z_K on R^D and the log-determinant of the stack.

Shapes, everywhere in this package:

    z        [*sample, *batch, D]   points; sample axes may stand in front
    params   [*batch, param_size]   one row a batch element (amortized: the encoder's output), or
             [param_size]           one row for all (a flow with plain parameters)
    log_det  [*sample, *batch]      Σ_k log|det ∂f_k/∂z_{k−1}|, in nats

Parameters broadcast over sample axes without being copied, so that importance sampling encodes an
image once. A flow knows nothing of encoders, data or configuration files.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from nfvae.errors import NotInvertibleError


class Flow(nn.Module, ABC):
    """K steps of one family on R^dim.

    Args:
        dim: D, the dimension of the latent space, at least 1.
        num_transforms: K, at least 0; with K = 0 every flow is the identity.

    Raises:
        ValueError: dim or num_transforms is less, or not one that the family takes.

    A family's own options are keyword arguments of its constructor; their annotations are what the
    configuration is checked against.
    """

    def __init__(self, dim: int, num_transforms: int) -> None:
        super().__init__()
        if dim < 1 or num_transforms < 0:
            raise ValueError(f"a flow needs dim >= 1 and K >= 0, got dim={dim}, K={num_transforms}")
        self.dim = dim
        self.num_transforms = num_transforms

    @property
    @abstractmethod
    def param_size(self) -> int:
        """Numbers a batch element that the flow takes from outside, all K steps together.

        It grows evenly with K, as the flow's own weights do, or evenly by pairs of steps.
        """

    @abstractmethod
    def initial_params(self) -> Tensor:
        """Where training starts, shape [param_size]: the identity or near it, symmetry broken.

        Random where steps must differ; drawn from torch's global generator.
        """

    @abstractmethod
    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map z_0 to (z_K, log_det) with log_det = log|det ∂z_K/∂z_0|."""

    @abstractmethod
    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map z_K to (z_0, log_det) with log_det = log|det ∂z_0/∂z_K|, minus that of `forward`.

        Raises:
            NotInvertibleError: the family has no inverse that can be computed.
        """

    @abstractmethod
    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        """The K terms of forward's log_det, shape [K, *sample, *batch]; for monitoring."""


class StepwiseFlow(Flow):
    """A flow computed step by step: a family states one step, this class makes the stack of it."""

    @abstractmethod
    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        """Each step's own part of `params`, batch first; the place for work done once for all K."""

    @abstractmethod
    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        """Step k (counted from 0) forward; `params` as `unpack` gives them."""

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        """Step k backward, with the log-determinant of the backward map."""
        raise NotInvertibleError(f"{type(self).__name__} has no inverse, so no density at given z")

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        z, log_dets = self._run(z, params)
        return z, sum(log_dets, z.new_zeros(z.shape[:-1]))

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        _, log_dets = self._run(z, params)
        out = z.new_zeros(self.num_transforms, *z.shape[:-1])
        for k, log_det in enumerate(log_dets):
            out[k] = log_det
        return out

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        total = y.new_zeros(y.shape[:-1])
        for k, step_params in reversed(list(enumerate(self.unpack(params)))):
            y, log_det = self.inverse_step(k, y, *step_params)
            total = total + log_det
        return y, total

    def _run(self, z: Tensor, params: Tensor) -> tuple[Tensor, list[Tensor]]:
        log_dets = []
        for k, step_params in enumerate(self.unpack(params)):
            z, log_det = self.step(k, z, *step_params)
            log_dets.append(log_det)
        return z, log_dets
