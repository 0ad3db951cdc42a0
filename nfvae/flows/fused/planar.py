"""The fast form of the planar flow: all K transforms as one differentiable operation.

Since z_k = z_0 + Σ_{j≤k} û_j h_j, the pre-activations of the whole stack obey

    a_k = w_kᵀz_0 + b_k + Σ_{j<k} (w_kᵀû_j) h_j,     h_k = tanh(a_k)

So a stack costs one batched product for the K × K matrix ûwᵀ, one for w_kᵀz_0, a recurrence over
K scalars per sample (not over K vectors), and one batched product for z_K. The backward pass is one
unit-triangular solve and two products for each of these.
"""

from typing import Any

import torch
from torch import Tensor

from nfvae.flows.constraints import constrain_planar, lowest_s
from nfvae.flows.fused.function import FusedFunction, fast_sech2


def _constrain_backward(
    c: Tensor, n: Tensor, s: Tensor, kappa: Tensor, grad_s: Tensor, grad_kappa: Tensor, shift: float
) -> tuple[Tensor, Tensor]:
    """Backward pass of `constrain_planar`: gradients with respect to c and n."""
    eps = torch.finfo(c.dtype).eps
    too_short = n < eps**2
    slope = torch.where(too_short, 1.0, torch.sigmoid(c + shift))  # ds/dc
    slope = torch.where(s <= torch.where(too_short, eps, lowest_s(c.dtype)), 0.0, slope)
    per_n = torch.where(too_short, 0.0, grad_kappa / n)
    return torch.addcmul(grad_s * slope, per_n, slope - 1), -per_n * kappa


def split_params(params: Tensor, K: int, D: int) -> tuple[Tensor, Tensor, Tensor]:
    """Packed parameters [*, K·(2D + 1)] as views w and u [*, K, D], b [*, K]."""
    w, u, b = params.split([K * D, K * D, K], dim=-1)
    return w.unflatten(-1, (K, D)), u.unflatten(-1, (K, D)), b


class PlanarStack(FusedFunction):
    """(z [B, S, D], params [B, K(2D + 1)], K, shift) -> (z_K [B, S, D], log_dets [B, K, S]).

    Each row of params has the layout of `split_params`.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, params: Tensor, K: int, shift: float) -> tuple[Tensor, Tensor]:
        w, u, b = split_params(params, K, z.shape[2])
        w, u = w.contiguous(), u.contiguous()  # batched products of slices copy them each time
        c, n = (w * u).sum(-1), (w * w).sum(-1)
        s, kappa = constrain_planar(c, n, shift)
        u_hat = torch.addcmul(u, kappa.unsqueeze(-1), w)
        coupling = u_hat @ w.transpose(1, 2)  # [B, K, K]: row j holds w_kᵀû_j of all k

        a = torch.baddbmm(b.unsqueeze(-1), w, z.transpose(1, 2))  # [B, K, S]
        h = torch.empty_like(a)
        for k in range(K):
            h_k = torch.tanh(a[:, k : k + 1], out=h[:, k : k + 1])
            a[:, k + 1 :].addcmul_(coupling[:, k, k + 1 :].unsqueeze(-1), h_k)

        slope = fast_sech2(a)
        det = torch.addcmul(h * h, s.unsqueeze(-1), slope)
        z_K = torch.baddbmm(z, h.transpose(1, 2), u_hat)
        ctx.save_for_backward(z, w, u, coupling, h, slope, det, c, n, s, kappa, u_hat)
        ctx.shift = shift
        return z_K, det.log()

    @staticmethod
    def backward(ctx: Any, grad_z_K: Tensor, grad_log_dets: Tensor) -> tuple[Any, ...]:
        z, w, u, coupling, h, slope, det, c, n, s, kappa, u_hat = ctx.saved_tensors
        B, K, D = w.shape
        grad_z_K = grad_z_K.contiguous()  # an expanded gradient would be copied by each product

        # Adjoint of the recurrence: ā_k = ā⁰_k + sech²_k Σ_{i>k} (w_iᵀû_k) ā_i.
        grad_det = grad_log_dets / det
        direct = u_hat @ grad_z_K.transpose(1, 2)
        direct = direct.addcmul_(2 * h * (1 - s.unsqueeze(-1)), grad_det).mul_(slope)
        grad_a = _adjoint(coupling, slope, direct)

        grad_u_hat, grad_w = _coupling_backward(w, u_hat, h, grad_a)
        grad_u_hat = grad_u_hat.baddbmm_(h, grad_z_K)
        grad_w = grad_w.baddbmm_(grad_a, z)
        grad_z = torch.baddbmm(grad_z_K, grad_a.transpose(1, 2), w)

        grad_s = (grad_det * slope).sum(-1)
        grad_kappa = (grad_u_hat * w).sum(-1)
        grad_c, grad_n = _constrain_backward(c, n, s, kappa, grad_s, grad_kappa, ctx.shift)
        grad_w.addcmul_(grad_u_hat, kappa.unsqueeze(-1)).addcmul_(u, grad_c.unsqueeze(-1))

        grad_params = w.new_empty(B, K * (2 * D + 1))
        into_w, into_u, into_b = split_params(grad_params, K, D)
        torch.addcmul(grad_w, w, grad_n.unsqueeze(-1), value=2, out=into_w)
        torch.addcmul(grad_u_hat, w, grad_c.unsqueeze(-1), out=into_u)
        torch.sum(grad_a, -1, out=into_b)
        return grad_z, grad_params, None, None


def _coupling_backward(
    w: Tensor, u_hat: Tensor, h: Tensor, grad_a: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of û and w through w_kᵀû_j, j < k, whose own gradient is Σ_S h_j ā_k."""
    if h.shape[2] == 1:
        # One sample: the matrix of gradients has rank one, so sums over k > j need not form it.
        later = torch.ones(h.shape[1], h.shape[1], dtype=h.dtype, device=h.device).triu_(1)
        return (later @ (grad_a * w)).mul_(h), (later.t() @ (h * u_hat)).mul_(grad_a)
    grad_coupling = (h @ grad_a.transpose(1, 2)).triu_(1)
    return grad_coupling @ w, grad_coupling.transpose(1, 2) @ u_hat


def _adjoint(coupling: Tensor, slope: Tensor, direct: Tensor) -> Tensor:
    """Solve (I − diag(sech²)·strict_upper(coupling)) ā = direct for each sample; all [B, K, S]."""
    K, S = direct.shape[1:]
    if S == 1:
        upper = coupling * -slope  # only its strict upper triangle is read
        solution: Tensor = torch.linalg.solve_triangular(
            upper, direct, upper=True, unitriangular=True
        )
        return solution
    # The matrix differs by sample: with many samples the recurrence is cheaper than S solves.
    grad_a = direct.clone()
    for k in reversed(range(1, K)):
        weight = coupling[:, :k, k].unsqueeze(-1) * slope[:, :k]
        grad_a[:, :k].addcmul_(weight, grad_a[:, k : k + 1])
    return grad_a
