"""Products of Householder reflections in compact WY form.

With H_i = I − 2 v_i v_iᵀ / ‖v_i‖² and the v_i as rows of V,

    H_1 H_2 … H_n = I − Vᵀ T V,     T⁻¹ = strict_upper(V Vᵀ) + ½ diag(V Vᵀ)

(Schreiber & Van Loan 1989; T by its inverse: Joffrain et al. 2006). So n reflections cost one Gram
matrix and one triangular solve for all points, and orthogonality holds to rounding for any vectors.
"""

import torch
from torch import Tensor


def rescale(v: Tensor) -> Tensor:
    """Rows v [*, n, D] scaled to a length whose square neither underflows nor overflows.

    The reflection depends on the direction only. Rows of ordinary length are unchanged. A row so
    short that its smaller components underflow has no direction and becomes 0; `inverse_t` then
    makes its reflection the identity, in value and gradient.
    """
    info = torch.finfo(v.dtype)
    largest = v.detach().abs().amax(-1, keepdim=True)
    no_direction = largest < info.tiny / info.eps
    ordinary = (largest > info.tiny**0.25) & (largest < info.max**0.25)
    scaled = v / torch.where(no_direction | ordinary, 1.0, largest)
    return torch.where(no_direction, 0.0, scaled)


def inverse_t(v: Tensor) -> Tensor:
    """T⁻¹ [*, n, n] of the product of the reflections along rows v [*, n, D]."""
    gram = v @ v.mT
    squared_length = gram.diagonal(dim1=-2, dim2=-1)
    half = torch.where(squared_length > 0, 0.5 * squared_length, 1.0)
    return gram.triu(1) + torch.diag_embed(half)


def compact_wy(v: Tensor) -> tuple[Tensor, Tensor]:
    """From rows v [*, n, D]: V and W = T V, both [*, n, D], with H_1 … H_n = I − VᵀW."""
    v = rescale(v)
    return v, torch.linalg.solve_triangular(inverse_t(v), v, upper=True)
