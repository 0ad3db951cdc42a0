"""All K planar steps as one differentiable operation.

Since z_k = z_0 + Σ_{j≤k} û_j h_j, the pre-activations of the whole stack obey

    a_k = w_kᵀz_0 + b_k + Σ_{j<k} (w_kᵀû_j) h_j,     h_k = tanh(a_k)

so a stack costs one batched product for w_kᵀ[w_j, u_j], one for w_kᵀz_0, a recurrence over K
*scalars* a sample (not over K vectors), and one batched product for z_K. The backward pass is one
unit-triangular solve and the same products again.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.autograd import first_order_only
from nfvae.flows.monotone_root import sech2


def constrain(c: Tensor, n: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """From c = wᵀu and n = ‖w‖²: s = 1 + wᵀû, and kappa with û = u + kappa·w.

    s is held at the smallest normal number from below, where softplus underflows; kappa uses the
    same s, so the map stays the one whose log-det is reported. A w so short that its direction is
    rounding noise has no û to project on: there û = u, and s = 1 + wᵀu to stay exact.
    """
    info = torch.finfo(c.dtype)
    too_short = n < info.eps**2
    s = softplus(c + shift, threshold=40.0).clamp(min=info.tiny)
    kappa = (s - 1 - c) / torch.where(too_short, 1.0, n)
    return torch.where(too_short, 1 + c, s), torch.where(too_short, 0.0, kappa)


def _constrain_backward(
    c: Tensor, n: Tensor, kappa: Tensor, grad_s: Tensor, grad_kappa: Tensor, shift: float
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to c and n of what `constrain` gives."""
    too_short = n < torch.finfo(c.dtype).eps ** 2
    slope = torch.where(too_short, 1.0, torch.sigmoid(c + shift))  # ds/dc
    per_n = torch.where(too_short, 0.0, grad_kappa / n)
    return torch.addcmul(grad_s * slope, per_n, slope - 1), -per_n * kappa


class PlanarStack(torch.autograd.Function):
    """(z [B, S, D], wu [B, 2K, D], b [B, K], shift) -> (z_K [B, S, D], log_dets [B, K, S]).

    Rows of wu are w_1 … w_K, u_1 … u_K. Differentiable once; a second derivative raises.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, wu: Tensor, b: Tensor, shift: float) -> tuple[Tensor, Tensor]:
        K = b.shape[1]
        w = wu[:, :K]
        gram = w @ wu.transpose(1, 2)  # [B, K, 2K]: wᵀw | wᵀu
        n = gram[:, :, :K].diagonal(dim1=1, dim2=2)
        c = gram[:, :, K:].diagonal(dim1=1, dim2=2)
        s, kappa = constrain(c, n, shift)
        coupling = torch.addcmul(gram[:, :, K:], gram[:, :, :K], kappa.unsqueeze(1))  # w_kᵀû_j

        a = torch.baddbmm(b.unsqueeze(-1), w, z.transpose(1, 2))  # [B, K, S]
        h = torch.empty_like(a)
        for k in range(K):
            h_k = torch.tanh(a[:, k : k + 1], out=h[:, k : k + 1])
            a[:, k + 1 :].addcmul_(coupling[:, k + 1 :, k : k + 1], h_k)

        slope = sech2(a)
        det = torch.addcmul(h * h, s.unsqueeze(-1), slope)
        uh = torch.cat([h * kappa.unsqueeze(-1), h], dim=1)  # û = u + kappa·w
        z_K = torch.baddbmm(z, uh.transpose(1, 2), wu)
        ctx.save_for_backward(z, wu, gram, coupling, h, slope, det, c, n, s, kappa, uh)
        ctx.shift = shift
        return z_K, det.log()

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_z_K: Tensor, grad_log_dets: Tensor) -> tuple[Any, ...]:
        z, wu, gram, coupling, h, slope, det, c, n, s, kappa, uh = ctx.saved_tensors
        K = h.shape[1]
        w = wu[:, :K]
        wu_g = wu @ grad_z_K.transpose(1, 2)  # [B, 2K, S]
        w_g, u_g = wu_g[:, :K], wu_g[:, K:]

        # Adjoint of the recurrence: ā_k = ā⁰_k + sech²_k Σ_{i>k} (w_iᵀû_k) ā_i.
        grad_det = grad_log_dets / det
        direct = torch.addcmul(u_g, w_g, kappa.unsqueeze(-1))
        direct = direct.addcmul_(2 * h * (1 - s.unsqueeze(-1)), grad_det).mul_(slope)
        grad_a = _adjoint(coupling, slope, direct)

        grad_coupling = (grad_a @ h.transpose(1, 2)).tril_(-1)
        grad_kappa = (w_g * h).sum(-1) + (grad_coupling * gram[:, :, :K]).sum(1)
        grad_s = (grad_det * slope).sum(-1)

        grad_c, grad_n = _constrain_backward(c, n, kappa, grad_s, grad_kappa, ctx.shift)

        # gram = w·[w; u]ᵀ enters through the coupling, c and n.
        grad_gram = torch.cat([grad_coupling * kappa.unsqueeze(1), grad_coupling], dim=2)
        grad_gram[:, :, :K].diagonal(dim1=1, dim2=2).copy_(grad_n)
        grad_gram[:, :, K:].diagonal(dim1=1, dim2=2).copy_(grad_c)
        grad_w = torch.baddbmm(grad_gram @ wu, grad_a, z)
        grad_wu = (grad_gram.transpose(1, 2) @ w).baddbmm_(uh, grad_z_K)
        grad_wu[:, :K] += grad_w
        grad_z = torch.baddbmm(grad_z_K, grad_a.transpose(1, 2), w)
        return grad_z, grad_wu, grad_a.sum(-1), None


def _adjoint(coupling: Tensor, slope: Tensor, direct: Tensor) -> Tensor:
    """Solve (I − diag(sech²)·strict_lower(coupling)ᵀ) ā = direct for each sample; all [B, K, S]."""
    K, S = direct.shape[1:]
    if S == 1:
        upper = coupling.transpose(1, 2) * -slope  # only its strict upper triangle is read
        solution: Tensor = torch.linalg.solve_triangular(
            upper, direct, upper=True, unitriangular=True
        )
        return solution
    # The matrix differs by sample: with many samples the recurrence is cheaper than S solves.
    grad_a = direct.clone()
    for k in reversed(range(1, K)):
        weight = coupling[:, k, :k].unsqueeze(-1) * slope[:, :k]
        grad_a[:, :k].addcmul_(weight, grad_a[:, k : k + 1])
    return grad_a
