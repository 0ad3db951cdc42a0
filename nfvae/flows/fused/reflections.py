"""Products of Householder reflections with a hand-written derivative.

In the compact form of `nfvae.flows.reflections`, H_1 … H_n = I − VᵀTV. Q is its first M columns:
Q = E − VᵀW, with E the first M columns of I, W = T V₁ and V₁ the first M columns of V.
"""

import torch
from torch import Tensor


def compact_wy(v: Tensor, num_columns: int) -> tuple[Tensor, Tensor]:
    """From rows v [*, n, D]: T [*, n, n] and W [*, n, M].

    T itself costs one triangular solve; with it, everything else in both passes is a product.
    """
    t_inverse = v @ v.mT  # what is below its diagonal is not read
    squared_length = t_inverse.diagonal(dim1=-2, dim2=-1)
    squared_length.copy_(torch.where(squared_length > 0, 0.5 * squared_length, 1.0))
    eye = torch.eye(v.shape[-2], dtype=v.dtype, device=v.device).expand_as(t_inverse)
    t = torch.linalg.solve_triangular(t_inverse, eye, upper=True, left=False)
    return t, t @ v[..., :num_columns]


def compact_wy_backward(v: Tensor, t: Tensor, w: Tensor, x: Tensor, c: Tensor) -> Tensor:
    """The gradient of V, given that of Q as Σ x cᵀ over rows x [*, R, D] and c [*, R, M].

    The gradient of Q, D × M numbers, is never formed:

        dQ = −dVᵀW − (TᵀV)ᵀ dV₁ + (TᵀV)ᵀ dT⁻¹ W,   so with p = W c and q = TᵀV x
        grad V = −Σ p xᵀ,   grad V₁ = −Σ q cᵀ,   grad T⁻¹ = Σ q pᵀ

    T⁻¹ has the entries of VVᵀ above the diagonal and half of those on it. (Where v_i = 0, it has 1
    on the diagonal, a constant; there q_i = 0.)
    """
    p, q = c @ w.mT, x @ v.mT @ t
    weight = v.new_ones(t.shape[-2:]).triu_(1).fill_diagonal_(0.5)
    grad_gram = (q.mT @ p).mul_(weight)
    grad_v = (grad_gram + grad_gram.mT) @ v
    grad_v -= p.mT @ x
    grad_v[..., : c.shape[-1]] -= q.mT @ c
    return grad_v
