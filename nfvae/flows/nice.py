"""Additive couplings, NICE (Dinh et al. 2015)."""

from torch import Tensor

from nfvae.flows.coupling import Coupling
from nfvae.flows.registry import register


@register("nice")
class NICE(Coupling):
    """K additive couplings, volume preserving (Dinh et al. 2015, section 3.2).

        (a, b) = the components of z in two halves,   f(a, b) = (a, b + t(a, c)),   log det = 0

    Rezende & Mohamed 2015 (section 5) compare with this flow, with random permutations (their
    NICE-perm); here the random splits do the same. NICE's final scaling is left out, since q0 has
    scales. The paper does not say whether its networks saw x; here they see `context_size` numbers
    per image.

    The parameters are the context c, [*batch, context_size]. The weights of the networks are
    weights of the flow, shared by all images.

    Args:
        dim: D, at least 2.
        num_transforms: K.
        context_size: numbers per image that the networks see besides a; with 0 they see a alone.
        hidden_size: units of each hidden layer.
        hidden_layers: hidden layers of each network.

    Raises:
        ValueError: dim < 2.

    Example:
        >>> import torch
        >>> from nfvae.flows import NICE
        >>> flow = NICE(dim=4, num_transforms=6, context_size=3)
        >>> z, log_det = flow(torch.randn(100, 4), torch.randn(100, 3))
    """

    numbers_per_dim = 1

    def transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return b + theta, b.new_zeros(theta.shape[:-1])

    def inverse_transform(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return b - theta, b.new_zeros(theta.shape[:-1])
