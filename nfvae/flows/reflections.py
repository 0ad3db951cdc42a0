"""Products of Householder reflections in compact WY form.

With H_i = I − 2 v_i v_iᵀ / ‖v_i‖² and the v_i as rows of V,

    H_1 H_2 … H_n = I − Vᵀ T V,     T⁻¹ = strict_upper(V Vᵀ) + ½ diag(V Vᵀ)

(Schreiber & Van Loan 1989; T by its inverse: Joffrain et al. 2006). So n reflections cost one Gram
matrix and one triangular solve for all points, and orthogonality holds to rounding however the
vectors lie.
"""

import torch
from torch import Tensor


def drop_short(v: Tensor) -> Tensor:
    """Rows v [*, n, D] with those shorter than the machine epsilon set to 0.

    Their direction is lost; `inverse_t` leaves the reflection out, in value and in gradient.
    """
    squared_length = v.detach().square().sum(-1, keepdim=True)
    return torch.where(squared_length < torch.finfo(v.dtype).eps ** 2, 0.0, v)


def inverse_t(v: Tensor) -> Tensor:
    """T⁻¹ [*, n, n] of the product of the reflections along rows v [*, n, D]."""
    gram = v @ v.mT
    squared_length = gram.diagonal(dim1=-2, dim2=-1)
    half = torch.where(squared_length > 0, 0.5 * squared_length, 1.0)
    return gram.triu(1) + torch.diag_embed(half)


def compact_wy(v: Tensor) -> tuple[Tensor, Tensor]:
    """From rows v [*, n, D]: V and W = T V, both [*, n, D], with H_1 … H_n = I − VᵀW."""
    v = drop_short(v)
    return v, torch.linalg.solve_triangular(inverse_t(v), v, upper=True)
