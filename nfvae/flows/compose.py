"""Flows of different families, one after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nfvae.flows.base import Flow


class Compose(Flow):
    """Flows of any families, applied one after the other (Rezende & Mohamed 2015, eq. 6 and 7).

        f = f_n ∘ … ∘ f_1,   log det = Σ_i log det_i

    `num_transforms` and `param_size` are the sums over the flows. Packed parameters: those of
    f_1, then those of f_2, and so on.

    Args:
        flows: f_1 … f_n, at least one, all of the same dimension; a flow can itself be a `Compose`.

    Raises:
        ValueError: no flow, or flows of different dimensions.
        TypeError: an element is not a flow.

    Example:
        >>> import torch
        >>> from nfvae.flows import IAF, Compose, Planar
        >>> flow = Compose([Planar(dim=2, num_transforms=8), IAF(dim=2, num_transforms=2)])
        >>> flow.num_transforms
        10
        >>> z, log_det = flow(torch.randn(100, 2), flow.initial_params())
    """

    def __init__(self, flows: Sequence[Flow]) -> None:
        flows = list(flows)
        for flow in flows:
            if not isinstance(flow, Flow):
                raise TypeError(f"Compose takes flows, got {type(flow).__name__}")
        if not flows:
            raise ValueError("Compose needs at least one flow")
        dims = [flow.dim for flow in flows]
        if len(set(dims)) > 1:
            raise ValueError(f"Compose needs flows of one dimension, got {dims}")
        super().__init__(dims[0], sum(flow.num_transforms for flow in flows))
        self.flows = nn.ModuleList(flows)
        self.max_param_scale = min(flow.max_param_scale for flow in flows)

    @property
    def param_size(self) -> int:
        return sum(self._sizes())

    @property
    def working_size(self) -> int:
        return sum(flow.working_size for flow in self._flows())

    def initial_params(self) -> Tensor:
        return torch.cat([flow.initial_params() for flow in self._flows()])

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(z.shape[:-1])
        for flow, own in zip(self._flows(), params.split(self._sizes(), dim=-1), strict=True):
            z, log_det = flow(z, own)
            total = total + log_det
        return z, total

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        total = y.new_zeros(y.shape[:-1])
        parts = zip(self._flows(), params.split(self._sizes(), dim=-1), strict=True)
        for flow, own in reversed(list(parts)):
            y, log_det = flow.inverse(y, own)
            total = total + log_det
        return y, total

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        log_dets = []
        for flow, own in zip(self._flows(), params.split(self._sizes(), dim=-1), strict=True):
            log_dets.append(flow.transform_log_dets(z, own))
            z, _ = flow(z, own)
        return torch.cat(log_dets)

    def _flows(self) -> list[Flow]:
        return list(self.flows)  # type: ignore[arg-type]  # a ModuleList has no element type

    def _sizes(self) -> list[int]:
        return [flow.param_size for flow in self._flows()]
