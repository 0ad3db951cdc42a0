"""Rational-quadratic spline couplings (Durkan et al. 2019)."""

from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor

from nfvae.flows.conditioner import ContextSize, HiddenLayers, HiddenSize
from nfvae.flows.coupling import Coupling
from nfvae.flows.rational_quadratic import (
    RationalQuadratic,
    evaluate,
    invert,
    rational_quadratic,
)
from nfvae.flows.registry import register


@register("spline")
class Spline(Coupling):
    """K spline couplings (Durkan et al. 2019, section 3).

        (a, b) = the components of z in two halves,   f(a, b) = (a, g(b; θ(a, c)))
        log det = Σ_i log g′(b_i)

    g acts on each component: an increasing piecewise rational-quadratic function on
    [−bound, bound], the identity outside. θ holds its bins and slopes, see `rational_quadratic`;
    θ = 0 is the identity.

    The parameters are the context c, [*batch, context_size]. The weights of the networks are
    weights of the flow, shared by all images.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers per image that the networks see besides a; with 0 they see a alone.
        hidden_size: units of each hidden layer.
        hidden_layers: hidden layers of each network.
        bins: pieces of each function.
        bound: half the width of the interval on which g differs from the identity.

    Raises:
        ValueError: dim < 2.

    Example:
        >>> import torch
        >>> from nfvae.flows import Spline
        >>> flow = Spline(dim=4, num_transforms=6, context_size=3)
        >>> z, log_det = flow(torch.randn(100, 4), torch.randn(100, 3))
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        context_size: ContextSize = 64,
        hidden_size: HiddenSize = 128,
        hidden_layers: HiddenLayers = 1,
        bins: Annotated[int, Ge(2)] = 8,
        bound: Annotated[float, Gt(0)] = 5.0,
    ) -> None:
        self.numbers_per_dim = 3 * bins - 1
        super().__init__(
            dim,
            num_transforms,
            context_size=context_size,
            hidden_size=hidden_size,
            hidden_layers=hidden_layers,
        )
        self.bound = bound

    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = evaluate(self._spline(theta), b)
        return y, log_slope.sum(-1)

    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        x, log_slope = invert(self._spline(theta), b)
        return x, log_slope.sum(-1)

    def _spline(self, theta: Tensor) -> RationalQuadratic:
        return rational_quadratic(theta.unflatten(-1, (-1, self.numbers_per_dim)), self.bound)
