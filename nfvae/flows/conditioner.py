"""The networks of flows with their own weights: they map z and a context to transform parameters.

    θ_k(z, c) = W_L tanh(… tanh(W_1 z + V_k c + b)) + b_L

tanh bounds a shift, so that a flow of many transforms cannot grow exponentially. The context enters
in the first layer only. One product computes V_k c for all transforms, without sample axes, so
importance sampling computes it once per image.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from nfvae.flows.base import StepwiseFlow

# The options of all families whose transforms have networks of their own.
ContextSize = Annotated[int, Ge(0)]
HiddenSize = Annotated[int, Ge(1)]
HiddenLayers = Annotated[int, Ge(1), Le(100)]


class MaskedLinear(nn.Linear):
    """A linear layer with some weights fixed at zero.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        mask: [out, in], true where a weight is free; None: all weights are free.
    """

    mask: Tensor | None

    def __init__(self, in_features: int, out_features: int, mask: Tensor | None = None) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.mask is None else self.weight * self.mask
        # A flow computes in float32 or float64, also after flow.bfloat16().
        return F.linear(x, weight.to(x.dtype), self.bias.to(x.dtype))


class Conditioner(nn.Module):
    """The network of one transform. Its initial output is θ = 0.

    Args:
        sizes: sizes of the input, of each hidden layer (at least one), and of the output.
        masks: one per layer, see `MaskedLinear`.
    """

    def __init__(self, sizes: Sequence[int], masks: Iterable[Tensor | None] | None = None) -> None:
        super().__init__()
        masks = [None] * (len(sizes) - 1) if masks is None else masks
        self.layers = nn.ModuleList(
            MaskedLinear(*pair, mask) for pair, mask in zip(pairwise(sizes), masks, strict=True)
        )
        self.start_at(torch.zeros(sizes[-1]))

    def start_at(self, theta: Tensor) -> None:
        """Set the weights so that θ is this constant [out] for all z and c."""
        last = self.layers[-1]
        assert isinstance(last, MaskedLinear)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(theta)

    def forward(self, z: Tensor, shift: Tensor) -> Tensor:
        """z [*sample, *batch, in] and V_k c [*batch, hidden] -> θ [*sample, *batch, out]."""
        first, *rest = self.layers
        h: Tensor = first(z) + shift
        for layer in rest:
            h = layer(h.tanh())
        return h


class ConditionedFlow(StepwiseFlow):
    """A flow whose transforms have their own weights; its `params` are a context for them.

    Args:
        dim: D.
        num_transforms: K.
        context_size: C, numbers per image that every transform sees; with 0 the flow is the same
            map for every x, and only q0 depends on x.
        hidden_size: units of each hidden layer.
        conditioners: one per transform.
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        context_size: int,
        hidden_size: int,
        conditioners: Iterable[Conditioner],
    ) -> None:
        super().__init__(dim, num_transforms)
        self.conditioners = nn.ModuleList(conditioners)
        self.context_size = context_size
        self.hidden_size = hidden_size
        bound = max(context_size, 1) ** -0.5
        self.context_weight = nn.Parameter(
            torch.empty(num_transforms * hidden_size, context_size).uniform_(-bound, bound)
        )

    @property
    def param_size(self) -> int:
        return self.context_size if self.num_transforms else 0

    def initial_params(self) -> Tensor:
        return torch.zeros(self.param_size)  # the transforms differ by their weights

    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        if not self.num_transforms:
            return []
        shifts = F.linear(params, self.context_weight.to(params.dtype))
        return [(shift,) for shift in shifts.split(self.hidden_size, dim=-1)]
