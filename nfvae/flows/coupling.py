"""Coupling flows: one half of z moves, by an amount that the other half decides.

    (a, b) = a split of z's components,   f(a, b) = (a, T(b; θ(a, c)))

The Jacobian is triangular, the inverse as cheap as the map. Steps come in pairs: each pair splits
the components at random anew, its second step with the halves exchanged, so that two steps move
everything. The splits are drawn when the flow is built and stored with the weights.
"""

from abc import abstractmethod
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from nfvae.flows.conditioner import ConditionedFlow, Conditioner
from nfvae.flows.registry import register


class Coupling(ConditionedFlow):
    """K coupling steps; a family states T.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers an image that the networks see besides a; 0: none.
        hidden_size: units of each hidden layer.
        hidden_layers: of each network, at least one.
        numbers_per_dim: of θ, for each component of b.
    """

    order: Tensor

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: int,
        hidden_size: int,
        hidden_layers: int,
        numbers_per_dim: int,
    ) -> None:
        if dim < 2:
            raise ValueError(f"a coupling needs at least 2 dimensions, got {dim}")
        self.sizes = [
            (dim // 2, dim - dim // 2)[:: -1 if k % 2 else 1] for k in range(num_transforms)
        ]
        super().__init__(
            dim,
            num_transforms,
            context_size,
            hidden_size,
            (
                Conditioner([fixed, *[hidden_size] * hidden_layers, numbers_per_dim * moved])
                for fixed, moved in self.sizes
            ),
        )
        splits = [torch.randperm(dim) for _ in range((num_transforms + 1) // 2)]
        order = [split.roll(-(dim // 2)) if odd else split for split in splits for odd in (0, 1)]
        self.register_buffer(
            "order", torch.stack(order)[:num_transforms] if order else torch.empty(0, dim).long()
        )

    @abstractmethod
    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """T(b; θ) and its log-det: [*, d], [*, d·numbers_per_dim] -> [*, d], [*]."""

    @abstractmethod
    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `transform` in b, with its own log-det."""

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        a, b, theta = self._split(k, z, *params)
        b, log_det = self.transform(b, theta)
        return self._join(k, a, b), log_det

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        a, b, theta = self._split(k, y, *params)
        b, log_det = self.inverse_transform(b, theta)
        return self._join(k, a, b), log_det

    def _split(self, k: int, z: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b = z.index_select(-1, self.order[k]).split(self.sizes[k], dim=-1)
        return a, b, self.conditioners[k](a, shift)

    def _join(self, k: int, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=-1).index_select(-1, self.order[k].argsort())


@register("nice")
class NICE(Coupling):
    """Additive couplings (Dinh et al. 2015, section 3.2), volume preserving: T(b; t) = b + t.

    The comparator of Rezende & Mohamed 2015 (section 5), mixed by random permutations (their
    NICE-perm): the permutations here are the random splits. NICE's final scaling is left out; q0's
    scales stand in its place. Whether the paper's networks saw x is not said there: here they see
    `context_size` numbers of it, and with 0 they do not.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers an image that the networks see besides a; 0: none.
        hidden_size: units of each hidden layer.
        hidden_layers: of each network.
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: Annotated[int, Ge(0)] = 64,
        hidden_size: Annotated[int, Ge(1)] = 128,
        hidden_layers: Annotated[int, Ge(1), Le(100)] = 1,
    ) -> None:
        super().__init__(
            dim,
            num_transforms,
            context_size=context_size,
            hidden_size=hidden_size,
            hidden_layers=hidden_layers,
            numbers_per_dim=1,
        )

    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return b + theta, b.new_zeros(theta.shape[:-1])

    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return b - theta, b.new_zeros(theta.shape[:-1])


@register("realnvp")
class RealNVP(Coupling):
    """Affine couplings (Dinh et al. 2017, section 3.2): T(b; t, s) = b·exp(s) + t.

    s = m·tanh(s′/m) is bounded by m, so that a step scales by e^±m at most.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers an image that the networks see besides a; 0: none.
        hidden_size: units of each hidden layer.
        hidden_layers: of each network.
        max_log_scale: m.
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: Annotated[int, Ge(0)] = 64,
        hidden_size: Annotated[int, Ge(1)] = 128,
        hidden_layers: Annotated[int, Ge(1), Le(100)] = 1,
        max_log_scale: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        super().__init__(
            dim,
            num_transforms,
            context_size=context_size,
            hidden_size=hidden_size,
            hidden_layers=hidden_layers,
            numbers_per_dim=2,
        )
        self.max_log_scale = max_log_scale

    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._affine(theta)
        return b * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._affine(theta)
        return (b - shift) * (-log_scale).exp(), -log_scale.sum(-1)

    def _affine(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = theta.chunk(2, dim=-1)
        return shift, self.max_log_scale * (raw / self.max_log_scale).tanh()
