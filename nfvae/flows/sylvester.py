"""Sylvester flows (van den Berg et al. 2018, theorem 2).

    f(z) = z + Q R tanh(R̃ Qᵀz + b),     det = Π_i (1 + tanh′(a_i) r_i r̃_i),     1 + r_i r̃_i > 0

Q [D, M] has orthonormal columns, R and R̃ [M, M] are upper triangular with diagonals r and r̃. The
three families differ in Q alone. M = 1 is the planar flow.

The paper makes r and r̃ the tanh of free numbers, so |r·r̃| < 1 and no factor of det exceeds 2; in
float32 the product also rounds to −1, where f is not invertible. Here every pair with 1 + r·r̃ > 0
is reached, once, and the sum is computed without cancellation: see `constrain`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from nfvae.flows.base import StepwiseFlow
from nfvae.flows.layout import fold, unfold
from nfvae.flows.reflections import compact_wy, inverse_t
from nfvae.flows.registry import register
from nfvae.flows.sylvester_step import SylvesterStep, constrain, solve_step


class Sylvester(StepwiseFlow):
    """K steps with M-dimensional R, R̃ and b; a family states its Q.

    Packed parameters, each for steps 1 … K: `basis_size` numbers for Q; M×M numbers with R above
    the diagonal and R̃ᵀ on and below it; u, of which r is made, and b, M each.

    In `step` and below points are rows, [B, S, D] with B the batch and S the samples; log_det is
    [B, S], in nats.
    """

    def __init__(self, dim: int, num_transforms: int, num_vectors: int, basis_size: int) -> None:
        super().__init__(dim, num_transforms)
        self.num_vectors = num_vectors
        self.basis_size = basis_size

    def bases(self, raw: Tensor) -> tuple[Tensor, ...]:
        """Q's ingredients for all steps in one call: [B, K, basis_size] -> tensors [B, K, …]."""
        return ()

    def initial_basis(self) -> Tensor:
        """Where Q's parameters start: [K, basis_size]."""
        return torch.randn(self.num_transforms, self.basis_size)

    @abstractmethod
    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        """Qᵀz for the points z of step k: [B, S, D] -> [B, S, M]."""

    @abstractmethod
    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        """z + Qg: [B, S, D], [B, S, M] -> [B, S, D]."""

    @property
    def param_size(self) -> int:
        M = self.num_vectors
        return self.num_transforms * (self.basis_size + M * M + 2 * M)

    def initial_params(self) -> Tensor:
        # R = 0 is the identity; Q and R̃ are random, so that no two steps are alike.
        K, M = self.num_transforms, self.num_vectors
        r_tilde_t = torch.eye(M) + torch.randn(K, M, M) / M**0.5
        zeros = torch.zeros(2 * K * M)
        return torch.cat([self.initial_basis().flatten(), r_tilde_t.tril().flatten(), zeros])

    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        K, M, size = self.num_transforms, self.num_vectors, self.basis_size
        if not K:
            return []
        raw, triangles, u, b = params.reshape(-1, self.param_size).split(
            [K * size, K * M * M, K * M, K * M], dim=-1
        )
        triangles = triangles.unflatten(-1, (K, M, M))
        r_tilde = triangles.diagonal(dim1=-2, dim2=-1)
        r, s = constrain(u.unflatten(-1, (K, M)), r_tilde)
        parts = (triangles, r.unsqueeze(2), s.unsqueeze(2), b.unflatten(-1, (K, 1, M)))
        bases = self.bases(raw.unflatten(-1, (K, size)))
        # unbind, not [:, k]: the gradient of each [:, k] is as large as all K steps' parameters.
        return list(zip(*(part.unbind(1) for part in (*parts, *bases)), strict=True))

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        rows, log_det = super().forward(fold(z, params.shape[:-1]), params)
        return unfold(rows, z.shape), unfold(log_det, z.shape[:-1])

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        rows, log_det = super().inverse(fold(y, params.shape[:-1]), params)
        return unfold(rows, y.shape), unfold(log_det, y.shape[:-1])

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        log_dets = super().transform_log_dets(fold(z, params.shape[:-1]), params)  # [K, B, S]
        return log_dets.mT.reshape(self.num_transforms, *z.shape[:-1])

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        coefficients, basis = params[:4], params[4:]
        g, log_det = SylvesterStep.apply(self.project(k, z, *basis), *coefficients)
        return self.add(k, z, g, *basis), log_det

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        coefficients, basis = params[:4], params[4:]
        g, log_det = solve_step(self.project(k, y, *basis), *coefficients)
        return self.add(k, y, -g, *basis), -log_det


@register("sylvester_orthogonal")
class OrthogonalSylvester(Sylvester):
    """Q is any D×M matrix with orthonormal columns, up to their signs, which R, R̃ and b absorb.

    The paper orthogonalises a D×M matrix by Björck's iteration, which no fixed number of iterations
    completes for every matrix. Here Q is given by what Householder QR stores of it: M reflections,
    the i-th along a vector of i − 1 zeros, a 1, and D − i free numbers. It is orthonormal to
    rounding and smooth for all parameters, of which none is redundant.

    Args:
        dim: D.
        num_transforms: K.
        num_vectors: M ≤ D; None is the smaller of D and 16.

    Raises:
        ValueError: M > D.
    """

    def __init__(
        self, dim: int, num_transforms: int, *, num_vectors: Annotated[int, Ge(1)] | None = None
    ) -> None:
        if num_vectors is None:
            num_vectors = min(dim, 16)
        if num_vectors > dim:
            raise ValueError(f"num_vectors must be at most the dimension {dim}, got {num_vectors}")
        free = num_vectors * dim - num_vectors * (num_vectors + 1) // 2
        super().__init__(dim, num_transforms, num_vectors, basis_size=free)

    def initial_basis(self) -> Tensor:
        # Uniform on the orthonormal frames: the QR factors of a Gaussian matrix.
        stored, _ = torch.geqrf(torch.randn(self.num_transforms, self.dim, self.num_vectors))
        row, column = torch.triu_indices(self.num_vectors, self.dim, 1)
        return stored.mT[:, row, column]

    def bases(self, raw: Tensor) -> tuple[Tensor, ...]:
        M, D = self.num_vectors, self.dim
        eye = torch.eye(M, D, dtype=raw.dtype, device=raw.device)
        row, column = torch.triu_indices(M, D, 1, device=raw.device)
        v = eye.repeat(*raw.shape[:-1], 1, 1)
        v[..., row, column] = raw
        top = torch.linalg.solve_triangular(inverse_t(v), v[..., :M], upper=True)
        return (eye.mT - v.mT @ top,)

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        (q,) = basis
        return z @ q

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        (q,) = basis
        return torch.baddbmm(z, g, q.mT)


@register("sylvester_householder")
class HouseholderSylvester(Sylvester):
    """Q is a product of H Householder reflections, M = D; it is applied, never formed.

    Args:
        dim: D.
        num_transforms: K.
        num_reflections: H ≤ D; None is the smaller of D and 8.

    Raises:
        ValueError: H > D.
    """

    def __init__(
        self, dim: int, num_transforms: int, *, num_reflections: Annotated[int, Ge(1)] | None = None
    ) -> None:
        if num_reflections is None:
            num_reflections = min(dim, 8)
        if num_reflections > dim:
            raise ValueError(
                f"num_reflections must be at most the dimension {dim}, got {num_reflections}"
            )
        super().__init__(dim, num_transforms, num_vectors=dim, basis_size=num_reflections * dim)
        self.num_reflections = num_reflections

    def bases(self, raw: Tensor) -> tuple[Tensor, ...]:
        return compact_wy(raw.unflatten(-1, (self.num_reflections, self.dim)))

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        v, w = basis
        return torch.baddbmm(z, z @ v.mT, w, alpha=-1)

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        v, w = basis
        return torch.baddbmm(z + g, g @ w.mT, v, alpha=-1)


@register("sylvester_triangular")
class TriangularSylvester(Sylvester):
    """Q is the identity in steps 1, 3, … and reverses the order of coordinates in 2, 4, …; M = D.

    Args:
        dim: D.
        num_transforms: K.
    """

    def __init__(self, dim: int, num_transforms: int) -> None:
        super().__init__(dim, num_transforms, num_vectors=dim, basis_size=0)

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        return z.flip(-1) if k % 2 else z

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        return z + (g.flip(-1) if k % 2 else g)
