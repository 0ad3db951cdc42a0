"""Inverse autoregressive flow (Kingma et al. 2016, algorithm 1).

    f(z) = σ ⊙ z + (1 − σ) ⊙ m,   σ = sigmoid(s),   (m, s) = MADE(z, c)

Component i of m and s sees only the components before i, so the Jacobian is triangular and
log det = Σ_i log σ_i. The order is reversed from each step to the next; nothing is permuted, the
masks of odd steps are made for the reversed order. Forward is one pass of the network, the inverse
D passes, one component after the other. Where a gate has closed (σ = 0 in rounding) there is no way
back: the inverse is then infinite or NaN.
"""

from math import expm1, log
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor
from torch.nn import functional as F

from nfvae.flows.conditioner import ConditionedFlow, Conditioner
from nfvae.flows.registry import register


def made_masks(order: Tensor, hidden_size: int, hidden_layers: int) -> list[Tensor]:
    """Masks under which output i sees the inputs whose rank in `order` is below its own.

    MADE (Germain et al. 2015, section 4) with two outputs a component. A hidden unit of degree d
    sees the d first inputs; the degrees go around 0 … D−1 (those of degree 0 see the context only).

    Args:
        order: [D], the components from first to last.
        hidden_size: units of each hidden layer.
        hidden_layers: their number.
    """
    rank = order.argsort()
    degree = torch.arange(hidden_size) % len(order)
    first = degree.unsqueeze(1) > rank
    between = degree.unsqueeze(1) >= degree
    last = rank.unsqueeze(1) >= degree
    return [first, *[between] * (hidden_layers - 1), last.repeat(2, 1)]


@register("iaf")
class IAF(ConditionedFlow):
    """K inverse autoregressive steps.

    Args:
        dim: D.
        num_transforms: K.
        context_size: numbers an image that the networks see besides z; 0: none.
        hidden_size: units of each hidden layer; with fewer than D a step's networks do not see the
            last components of its order.
        hidden_layers: of each network.
        initial_gate: the gates start at σ = initial_gate^(1/K), so that an untrained stack scales
            z by initial_gate whatever K. (The paper starts each step at sigmoid(1) or sigmoid(2),
            which is far from the identity where K is large.)
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: Annotated[int, Ge(0)] = 64,
        hidden_size: Annotated[int, Ge(1)] = 320,
        hidden_layers: Annotated[int, Ge(1), Le(100)] = 1,
        initial_gate: Annotated[float, Gt(0), Lt(1)] = 0.9,
    ) -> None:
        forwards = torch.arange(dim)
        self.orders = [forwards.flip(0) if k % 2 else forwards for k in range(num_transforms)]
        sizes = [dim, *[hidden_size] * hidden_layers, 2 * dim]
        conditioners = [
            Conditioner(sizes, made_masks(order, hidden_size, hidden_layers))
            for order in self.orders
        ]
        for conditioner in conditioners:
            s = -log(expm1(-log(initial_gate) / num_transforms))  # the logit of initial_gate^(1/K)
            conditioner.start_at(torch.cat([torch.zeros(dim), torch.full((dim,), s)]))
        super().__init__(dim, num_transforms, context_size, hidden_size, conditioners)

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        m, s = self.conditioners[k](z, *params).chunk(2, dim=-1)
        return torch.lerp(m, z, s.sigmoid()), F.logsigmoid(s).sum(-1)

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = torch.zeros_like(y), y.new_zeros(y.shape[:-1])
        for i in self.orders[k].to(y.device).split(1):
            theta = self.conditioners[k](z, *params)
            m, s = theta.index_select(-1, i), theta.index_select(-1, i + self.dim)
            y_i = y.index_select(-1, i)
            # 1/σ = 1 + e^−s, so z_i = (y_i − (1 − σ) m) / σ without a division.
            z = z.index_copy(-1, i, y_i + torch.exp(-s) * (y_i - m))
            log_det = log_det - F.logsigmoid(s).squeeze(-1)
        return z, log_det
