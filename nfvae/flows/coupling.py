"""Coupling flows: one half of z is transformed, with parameters computed from the other half.

    (a, b) = the components of z in two halves,   f(a, b) = (a, T(b; θ(a, c)))

The Jacobian is triangular, and the inverse is as cheap as f. Transforms come in pairs: each pair
has its own random split, and its second transform exchanges the halves, so that a pair moves every
component. The splits are drawn when the flow is built and stored with the weights.
"""

from abc import abstractmethod

import torch
from torch import Tensor

from nfvae.flows.conditioner import (
    ConditionedFlow,
    Conditioner,
    ContextSize,
    HiddenLayers,
    HiddenSize,
)


class Coupling(ConditionedFlow):
    """K coupling transforms; a family implements T and its inverse.

    A family with options of its own repeats those of this constructor, since the options of a
    family are read from the signature of its constructor.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers per image that the networks see besides a; with 0 they see a alone.
        hidden_size: units of each hidden layer.
        hidden_layers: hidden layers of each network, at least one.

    Raises:
        ValueError: dim < 2.
    """

    numbers_per_dim: int
    """Length of θ per component of b; set by the family before it calls this constructor."""
    order: Tensor

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: ContextSize = 64,
        hidden_size: HiddenSize = 128,
        hidden_layers: HiddenLayers = 1,
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
                Conditioner([fixed, *[hidden_size] * hidden_layers, self.numbers_per_dim * moved])
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
