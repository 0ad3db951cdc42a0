"""q(z|x): a diagonal Gaussian q0 pushed through a flow, as a torch distribution."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from nfvae.flows import Flow
from nfvae.priors import log_standard_normal


class Draw(NamedTuple):
    """Samples of a posterior with their density; all log terms in nats, [*sample, *batch]."""

    z: Tensor
    """z_K, [*sample, *batch, D]."""
    log_q0: Tensor
    """log q0(z_0)."""
    log_det: Tensor
    """Σ_k log|det ∂f_k/∂z_{k−1}|."""

    @property
    def log_q(self) -> Tensor:
        """log q_K(z_K) = log q0(z_0) − Σ_k log|det| (Rezende & Mohamed 2015, eq. 7)."""
        return self.log_q0 - self.log_det


class FiniteVector(constraints.Constraint):
    """Vectors without NaN and infinities. torch's `real_vector` accepts infinities."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return value.isfinite().all(-1)


class FlowPosterior(Distribution):
    """z_K = f(z_0; params), z_0 ~ N(loc, diag exp(2·log_scale)).

    Args:
        loc: [*batch, D].
        log_scale: [*batch, D], log of the standard deviation.
        flow: any flow on R^D.
        params: [*batch, flow.param_size], or [flow.param_size] for one set shared by the batch.
        validate_args: check that loc, log_scale, params and the points given to `log_prob` are
            finite; None is the default of torch.distributions, which is to check.

    Raises:
        ValueError: params has another shape, or a value is not finite.

    >>> from nfvae.flows import Planar
    >>> flow = Planar(dim=2, num_transforms=8)
    >>> q = FlowPosterior(torch.zeros(5, 2), torch.zeros(5, 2), flow, flow.initial_params())
    >>> z = q.rsample((100,))
    >>> q.log_prob(z).shape
    torch.Size([100, 5])
    >>> draw = q.draw((100,))  # samples and their log-density together, with no inverse
    >>> draw.z.shape, draw.log_q.shape
    (torch.Size([100, 5, 2]), torch.Size([100, 5]))
    """

    arg_constraints = {  # noqa: RUF012  (torch declares it so)
        "loc": FiniteVector(),
        "log_scale": FiniteVector(),
        "params": FiniteVector(),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        log_scale: Tensor,
        flow: Flow,
        params: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        self.loc: Tensor
        self.log_scale: Tensor
        self.loc, self.log_scale = torch.broadcast_tensors(loc, log_scale)
        self.flow = flow
        self.params = params
        if params.shape[:-1] not in (torch.Size(), self.loc.shape[:-1]):
            raise ValueError(
                f"params of shape {tuple(params.shape)} do not belong to a batch of shape "
                f"{tuple(self.loc.shape[:-1])}"
            )
        if self._validate_args if validate_args is None else validate_args:
            # torch would check too, but its message prints all values.
            for name, constraint in self.arg_constraints.items():
                if not constraint.check(getattr(self, name)).all():
                    raise ValueError(f"{name} of a posterior must be finite, and is not")
        super().__init__(self.loc.shape[:-1], self.loc.shape[-1:], validate_args=validate_args)

    def draw(
        self,
        sample_shape: Sequence[int] = (),
        generator: torch.Generator | None = None,
    ) -> Draw:
        """Reparameterised samples with their log-density, without an inverse.

        Args:
            sample_shape: sample axes, in front of the batch axes.
            generator: for the noise; None is torch's global generator.
        """
        return self.from_noise(self._noise(sample_shape, generator))

    def from_noise(self, eps: Tensor) -> Draw:
        """The samples z_K = f(loc + σ·eps) of standard normal noise eps [*sample, *batch, D]."""
        z, log_det = self.flow(self._z0(eps), self.params)
        return Draw(z, self._log_q0(eps), log_det)

    def transform_log_dets(self, generator: torch.Generator | None = None) -> Tensor:
        """log|det| of each transform at one sample per batch element, in nats: [K, *batch]."""
        return self.flow.transform_log_dets(self._z0(self._noise((), generator)), self.params)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Differentiable samples, [*sample, *batch, D]."""
        return self.draw(sample_shape).z

    def log_prob(self, value: Tensor) -> Tensor:
        """log q_K at any z, in nats: [*sample, *batch, D] -> [*sample, *batch].

        Uses the flow's inverse.

        Raises:
            NotInvertibleError: the flow has no inverse that can be computed.
        """
        if self._validate_args and value.numel():  # torch's check fails on an empty batch
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape, self.loc.shape)
        z0, log_det = self.flow.inverse(value.expand(shape), self.params)
        return self._log_q0((z0 - self.loc) * torch.exp(-self.log_scale)) + log_det

    def expand(self, batch_shape: Any, _instance: Any = None) -> "FlowPosterior":
        """The same posterior over a larger batch; nothing is copied."""
        batch_shape = torch.Size(batch_shape)
        shared = self.params.dim() == 1
        return FlowPosterior(
            self.loc.expand(batch_shape + self.event_shape),
            self.log_scale.expand(batch_shape + self.event_shape),
            self.flow,
            self.params if shared else self.params.expand(batch_shape + self.params.shape[-1:]),
            validate_args=False,
        )

    def _noise(self, sample_shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device, generator=generator)

    def _z0(self, eps: Tensor) -> Tensor:
        return torch.addcmul(self.loc, eps, self.log_scale.exp())

    def _log_q0(self, eps: Tensor) -> Tensor:
        return log_standard_normal(eps) - self.log_scale.sum(-1)
