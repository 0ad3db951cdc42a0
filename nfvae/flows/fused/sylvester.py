"""The fast form of the Sylvester flows: all K transforms as one differentiable operation.

In the coordinates y = Qᵀz, a transform is y ↦ y + g:

    a = R̃y + b,     h = tanh(a),     g = Rh,     det = Π_i (h_i² + s_i sech²a_i)

R and R̃ are upper triangular with diagonals r and r̃; s_i = 1 + r_i r̃_i > 0.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from nfvae.flows.constraints import constrain_sylvester
from nfvae.flows.fused.function import FusedFunction, fast_sech2
from nfvae.flows.fused.reflections import compact_wy, compact_wy_backward


class Basis(Protocol):
    """How a family applies its Q; see `nfvae.flows.sylvester.Sylvester`."""

    def factors(self, v: Tensor, w: Tensor) -> tuple[Tensor, ...]: ...

    def project(self, k: int, z: Tensor, *factors: Tensor) -> Tensor: ...

    def add(self, k: int, z: Tensor, g: Tensor, *factors: Tensor) -> Tensor: ...


class SylvesterStack(FusedFunction):
    """(z [B, S, D], v [B, K, n, D], triangles [B, K, M, M], u, b [B, K, M], Q) -> (z_K, log_dets).

    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, v: Tensor, triangles: Tensor, u: Tensor, b: Tensor, Q: Basis
    ) -> tuple[Tensor, Tensor]:
        above = _above(triangles)
        r_tilde_t = torch.where(above, 0.0, triangles)
        r_matrix = torch.where(above, triangles, 0.0)
        r, s = constrain_sylvester(u, triangles.diagonal(dim1=-2, dim2=-1))
        r_matrix.diagonal(dim1=-2, dim2=-1).copy_(r)
        t, w = compact_wy(v, u.shape[-1])
        factors = Q.factors(v, w)

        keep = any(ctx.needs_input_grad)
        kept, log_dets = [], []
        by_transform = _by_transform(r_tilde_t, r_matrix, s.unsqueeze(2), b.unsqueeze(2), *factors)
        for k, (r_tilde_t_k, r_matrix_k, s_k, b_k, *own) in enumerate(by_transform):
            y = Q.project(k, z, *own)
            a = torch.baddbmm(b_k, y, r_tilde_t_k)
            h = a.tanh()
            g = torch.bmm(h, r_matrix_k.mT)
            slope = fast_sech2(a)
            det = torch.addcmul(h * h, s_k, slope)
            log_dets.append(det.log().sum(-1))
            if keep:
                kept.append((z, y, h, g, slope, det))
            z = Q.add(k, z, g, *own)
        if keep:
            steps = (torch.stack(each, 1) for each in zip(*kept, strict=True))
            ctx.save_for_backward(*steps, r_tilde_t, r_matrix, u, s, v, t, w, *factors)
            ctx.Q = Q
        return z, torch.stack(log_dets, 1)

    @staticmethod
    def backward(ctx: Any, grad_z: Tensor, grad_log_dets: Tensor) -> tuple[Any, ...]:
        z, y, h, g, slope, det, r_tilde_t, r_matrix, u, s, v, t, w, *factors = ctx.saved_tensors
        Q: Basis = ctx.Q
        above = _above(r_matrix)
        grad_det = grad_log_dets.unsqueeze(-1) / det
        direct = grad_det * (2 * h * (1 - s.unsqueeze(2))) * slope
        grad_triangles = torch.empty_like(r_matrix)
        kept = []
        grad_z = grad_z.contiguous()  # an expanded gradient would be copied by each product
        by_transform = _by_transform(
            r_tilde_t, r_matrix, y, h, slope, direct, grad_triangles, *factors
        )
        for k, (r_tilde_t_k, r_matrix_k, y_k, h_k, slope_k, direct_k, into, *own) in reversed(
            list(enumerate(by_transform))
        ):
            grad_g = Q.project(k, grad_z, *own)
            grad_a = torch.addcmul(direct_k, torch.bmm(grad_g, r_matrix_k), slope_k)
            grad_y = torch.bmm(grad_a, r_tilde_t_k.mT)
            torch.where(above, _outer(grad_g, h_k), _outer(y_k, grad_a), out=into)
            kept.append((grad_z, grad_g, grad_a, grad_y))
            grad_z = Q.add(k, grad_z, grad_y, *own)
        grad_points, grad_g, grad_a, grad_y = (
            torch.stack(each[::-1], 1) for each in zip(*kept, strict=True)
        )
        grad_v = compact_wy_backward(
            v, t, w, torch.cat([z, grad_points], 2), torch.cat([grad_y, g], 2)
        )
        grad_u, grad_r_tilde = _constrain_backward(
            u,
            r_tilde_t.diagonal(dim1=-2, dim2=-1),
            r_matrix.diagonal(dim1=-2, dim2=-1),
            s,
            (grad_g * h).sum(2),
            (grad_det * slope).sum(2),
        )
        grad_triangles.diagonal(dim1=-2, dim2=-1).add_(grad_r_tilde)
        return grad_z, grad_v, grad_triangles, grad_u, grad_a.sum(2), None


def _above(triangles: Tensor) -> Tensor:
    """Mask of the entries above the diagonal."""
    return torch.ones(triangles.shape[-2:], dtype=torch.bool, device=triangles.device).triu_(1)


def _by_transform(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(part.unbind(1) for part in parts), strict=True)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ right [B, M, M] of rows [B, S, M]."""
    return left.mT * right if left.shape[1] == 1 else torch.bmm(left.mT, right)


def _constrain_backward(
    u: Tensor, r_tilde: Tensor, r: Tensor, s: Tensor, grad_r: Tensor, grad_s: Tensor
) -> tuple[Tensor, Tensor]:
    """Backward pass of `constrain_sylvester`: gradients with respect to u and r̃.

    s = e^θ, r = u·σ(θ) and 2 sinh(θ) = u·r̃.
    """
    grad_theta = grad_r * r / (1 + s) + grad_s * s
    grad_product = grad_theta / (s + 1 / s)
    return grad_product * r_tilde + grad_r * (s / (1 + s)), grad_product * u
