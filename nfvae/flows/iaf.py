"""Inverse autoregressive flow (Kingma et al. 2016, algorithm 1)."""

from math import expm1, log
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor
from torch.nn import functional as F

from nfvae.flows.conditioner import (
    ConditionedFlow,
    Conditioner,
    ContextSize,
    HiddenLayers,
    HiddenSize,
)
from nfvae.flows.registry import register


def made_masks(order: Tensor, hidden_size: int, hidden_layers: int) -> list[Tensor]:
    """Masks under which output i sees the inputs whose rank in `order` is below its own.

    MADE (Germain et al. 2015, section 4) with two outputs per component. A hidden unit of degree d
    sees the first d inputs; the degrees cycle through 0 … D−1 (units of degree 0 see only the
    context).

    Args:
        order: [D], the components from first to last.
        hidden_size: units of each hidden layer.
        hidden_layers: number of hidden layers.
    """
    rank = order.argsort()
    degree = torch.arange(hidden_size) % len(order)
    first = degree.unsqueeze(1) > rank
    between = degree.unsqueeze(1) >= degree
    last = rank.unsqueeze(1) >= degree
    return [first, *[between] * (hidden_layers - 1), last.repeat(2, 1)]


@register("iaf")
class IAF(ConditionedFlow):
    """K inverse autoregressive transforms (Kingma et al. 2016, algorithm 1).

        f(z) = σ ⊙ z + (1 − σ) ⊙ m,   σ = sigmoid(s),   (m, s) = MADE(z, c)
        log det = Σ_i log σ_i

    Component i of m and s sees only the components before i, so the Jacobian is triangular. The
    order of components is reversed from each transform to the next, by the masks. Forward is one
    pass of the network; the inverse takes D passes, one per component. Where a gate is
    closed (σ rounds to 0) there is no inverse: the result is infinite or NaN.

    The parameters are the context c, [*batch, context_size]. The weights of the networks are
    weights of the flow, shared by all images.

    Args:
        dim: D.
        num_transforms: K.
        context_size: numbers per image that the networks see besides z; with 0 they see z alone.
        hidden_size: units of each hidden layer; with fewer than D units, the networks ignore the
            last components in their order.
        hidden_layers: hidden layers of each network.
        initial_gate: the gates start at σ = initial_gate^(1/K), so that an untrained flow scales
            z by initial_gate for every K. (In the paper each transform starts at sigmoid(1) or
            sigmoid(2), which is far from the identity for large K.)

    Example:
        >>> import torch
        >>> from nfvae.flows import IAF
        >>> flow = IAF(dim=4, num_transforms=2, context_size=3)
        >>> z, log_det = flow(torch.randn(100, 4), torch.randn(100, 3))
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: ContextSize = 64,
        hidden_size: HiddenSize = 320,
        hidden_layers: HiddenLayers = 1,
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
