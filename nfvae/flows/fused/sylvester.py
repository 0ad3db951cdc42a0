"""The fast form of the Sylvester flows: all K transforms as one differentiable operation.

In the coordinates y = Qᵀz, a transform is y ↦ y + g:

    a = R̃y + b,     h = tanh(a),     g = Rh,     det = Π_i (h_i² + s_i sech²a_i)

R and R̃ are upper triangular with diagonals r and r̃; s_i = 1 + r_i r̃_i > 0. With a bar for the
gradient of the loss, and ȧ for the gradient of a through its own det only,

    ḡ = Qᵀz̄′,     ā = (Rᵀḡ) tanh′(a) + ȧ,     ȳ = R̃ᵀā,     z̄ = z̄′ + Qȳ

so that gradients pass through Q as points do: `project` and `add` serve both passes. The loops over
k hold this recurrence only. The rest is computed for all k at once, in few calls: Q, the
determinants, and all gradients of parameters. Most of the time saved comes from Q: one triangular
solve serves both passes, and Q's gradient is never formed (see `compact_wy_backward`).
"""

from collections.abc import Callable, Iterator
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
    """(z [B, S, D], V [B, K, n, D], triangles [B, K, M, M], u, b [B, K, M], Q) -> (z_K, log_dets).

    z_K is [B, S, D], log_dets [B, K, S]. Q has the first M columns of the product of the
    reflections along V's rows. `triangles` holds R above its diagonal and R̃ᵀ on and below it; u is
    that of `constrain_sylvester`.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, v: Tensor, triangles: Tensor, u: Tensor, b: Tensor, Q: Basis
    ) -> tuple[Tensor, Tensor]:
        r, s = constrain_sylvester(u, triangles.diagonal(dim1=-2, dim2=-1))
        t, w = compact_wy(v, u.shape[-1])
        factors = Q.factors(v, w)
        r, s, b = r.unsqueeze(2), s.unsqueeze(2), b.unsqueeze(2)
        upper, lower = _halves(triangles)

        keep = any(ctx.needs_input_grad)
        kept, log_dets = [], []
        for k, triangles_k, r_k, b_k, s_k, *own in _enumerate(triangles, r, b, s, *factors):
            y = Q.project(k, z, *own)
            a = torch.baddbmm(b_k, y, lower(triangles_k))
            h = a.tanh()
            g = torch.baddbmm(r_k * h, h, upper(triangles_k).mT)
            if keep:
                kept.append((z, y, a, h, g))
            else:  # there can be too many samples to keep those of all transforms
                log_dets.append(_slope_and_det(a, h, s_k)[1].log().sum(-1))
            z = Q.add(k, z, g, *own)
        if not keep:
            return z, torch.stack(log_dets, 1)
        points, y, a, h, g = (torch.stack(each, 1) for each in zip(*kept, strict=True))
        slope, det = _slope_and_det(a, h, s)
        ctx.save_for_backward(points, y, h, g, slope, det, triangles, u, r, s, v, t, w, *factors)
        ctx.Q = Q
        return z, det.log().sum(-1)

    @staticmethod
    def backward(ctx: Any, grad_z: Tensor, grad_log_dets: Tensor) -> tuple[Any, ...]:
        points, y, h, g, slope, det, triangles, u, r, s, v, t, w, *factors = ctx.saved_tensors
        Q: Basis = ctx.Q
        grad_det = grad_log_dets.unsqueeze(-1) / det
        direct = (2 * h * (1 - s)).mul_(grad_det).mul_(slope)  # ȧ
        upper, lower = _halves(triangles)
        grad_z = grad_z.contiguous()  # an expanded gradient would be copied by each product

        kept = []
        by_transform = _enumerate(triangles, r, slope, direct, *factors)
        for k, triangles_k, r_k, slope_k, direct_k, *own in reversed(list(by_transform)):
            grad_g = Q.project(k, grad_z, *own)
            grad_h = torch.baddbmm(r_k * grad_g, grad_g, upper(triangles_k))
            grad_a = torch.addcmul(direct_k, grad_h, slope_k)
            grad_y = torch.bmm(grad_a, lower(triangles_k).mT)
            kept.append((grad_z, grad_g, grad_a, grad_y))
            grad_z = Q.add(k, grad_z, grad_y, *own)
        grad_points, grad_g, grad_a, grad_y = (
            torch.stack(each[::-1], 1) for each in zip(*kept, strict=True)
        )

        # Q occurs in Qᵀz and in z + Qg: its gradient is Σ z ȳᵀ + Σ z̄′ gᵀ.
        x, c = torch.cat([points, grad_points], 2), torch.cat([grad_y, g], 2)
        grad_v = compact_wy_backward(v, t, w, x, c)
        above = triangles.new_ones(triangles.shape[-2:], dtype=torch.bool).triu_(1)
        grad_triangles = torch.where(above, _outer(grad_g, h), _outer(y, grad_a))
        diagonal = triangles.diagonal(dim1=-2, dim2=-1)
        grad_r, grad_s = (grad_g * h).sum(2), (grad_det * slope).sum(2)
        grad_u, grad_diagonal = _constrain_backward(
            u, diagonal, r.squeeze(2), s.squeeze(2), grad_r, grad_s
        )
        grad_triangles.diagonal(dim1=-2, dim2=-1).add_(grad_diagonal)
        return grad_z, grad_v, grad_triangles, grad_u, grad_a.sum(2), None


def _halves(triangles: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The functions that keep the entries above the diagonal, and those on and below it.

    They are applied to one transform at a time, so that the copies stay in the cache, and to bits:
    that is as fast as a product with a mask of 0 and 1, which would make NaN of ∞.
    """
    dtype = triangles.dtype
    bits = torch.int32 if dtype == torch.float32 else torch.int64
    M = triangles.shape[-1]
    above = torch.full((M, M), -1, dtype=bits, device=triangles.device).triu_(1)
    rest = ~above

    def upper(matrix: Tensor) -> Tensor:
        return (matrix.view(bits) & above).view(dtype)

    def lower(matrix: Tensor) -> Tensor:
        return (matrix.view(bits) & rest).view(dtype)

    return upper, lower


def _enumerate(*parts: Tensor) -> Iterator[tuple[Any, ...]]:
    """k and the own part of transform k of each tensor [B, K, …], for all k."""
    return zip(range(parts[0].shape[1]), *(part.unbind(1) for part in parts), strict=True)


def _slope_and_det(a: Tensor, h: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """tanh′(a), and the factors of det."""
    slope = fast_sech2(a)
    return slope, torch.addcmul(h * h, s, slope)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ right of rows [*, S, M]."""
    return left.mT * right if left.shape[-2] == 1 else left.mT @ right


def _constrain_backward(
    u: Tensor, r_tilde: Tensor, r: Tensor, s: Tensor, grad_r: Tensor, grad_s: Tensor
) -> tuple[Tensor, Tensor]:
    """Backward pass of `constrain_sylvester`: gradients with respect to u and r̃.

    s = e^θ, r = u·σ(θ) and 2 sinh(θ) = u·r̃.
    """
    grad_theta = grad_r * r / (1 + s) + grad_s * s
    grad_product = grad_theta / (s + 1 / s)
    return grad_product * r_tilde + grad_r * (s / (1 + s)), grad_product * u
