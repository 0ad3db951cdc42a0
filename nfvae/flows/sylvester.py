"""Sylvester flows (van den Berg et al. 2018): three families that differ only in Q."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Size, Tensor

from nfvae.flows.base import StepwiseFlow
from nfvae.flows.constraints import constrain_sylvester
from nfvae.flows.fused.function import in_use
from nfvae.flows.fused.sylvester import SylvesterStack
from nfvae.flows.monotone_root import sech2, solve_tanh
from nfvae.flows.reflections import inverse_t, rescale
from nfvae.flows.registry import register
from nfvae.flows.rows import from_rows, to_rows


class Sylvester(StepwiseFlow):
    """K Sylvester transforms (van den Berg et al. 2018, theorems 1 and 2); a family gives its Q.

        f(z) = z + Q R h,   h = tanh(a),   a = R̃ Qᵀz + b
        det  = Π_i (1 + tanh′(a_i) r_i r̃_i),   1 + r_i r̃_i = s_i > 0

    Q [D, M] has orthonormal columns; R and R̃ [M, M] are upper triangular with diagonals r and r̃.
    M = 1 is the planar flow. det is computed as Π_i (h_i² + s_i sech²(a_i)), without cancellation.

    The paper makes r and r̃ the tanh of free numbers, so |r·r̃| < 1 and no factor of det exceeds 2;
    in float32 the product can also round to −1, where f is not invertible. Here every pair with
    1 + r·r̃ > 0 is possible and has one set of parameters: see `constrain_sylvester`.

    Packed parameters, each for transforms 1 … K: `basis_size` numbers for Q; M×M numbers with R
    above the diagonal and R̃ᵀ on and below it; u, from which r is made, and b, M each.

    In `step` and the methods that it calls, points are rows, [B, S, D] with B the batch and S the
    samples; log_det is [B, S].
    """

    def __init__(
        self, dim: int, num_transforms: int, num_vectors: int, basis_size: int, fused: bool
    ) -> None:
        super().__init__(dim, num_transforms)
        self.num_vectors = num_vectors
        self.basis_size = basis_size
        self.fused = fused

    def vectors(self, raw: Tensor) -> Tensor:
        """V [B, K, n, D] from raw [B, K, basis_size]: the n reflections of which Q is made.

        Q has the first M columns of their product I − VᵀTV. By default there are none.
        """
        return raw.new_empty(*raw.shape[:-1], 0, self.dim)

    def factors(self, v: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        """What `project` and `add` take, [B, K, …], from V and W, the first M columns of TV."""
        return ()

    def bases(self, raw: Tensor) -> tuple[Tensor, ...]:
        """The `factors` of Q of all transforms: [B, K, basis_size] -> tensors [B, K, …]."""
        v = self.vectors(raw)
        first = v[..., : self.num_vectors]
        return self.factors(v, torch.linalg.solve_triangular(inverse_t(v), first, upper=True))

    def initial_basis(self) -> Tensor:
        """Initial parameters of Q: [K, basis_size]."""
        return torch.randn(self.num_transforms, self.basis_size)

    @abstractmethod
    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        """Qᵀz of transform k: [B, S, D] -> [B, S, M]."""

    @abstractmethod
    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        """z + Qg of transform k: [B, S, D], [B, S, M] -> [B, S, D]."""

    @property
    def param_size(self) -> int:
        M = self.num_vectors
        return self.num_transforms * (self.basis_size + M * M + 2 * M)

    def initial_params(self) -> Tensor:
        # R = 0 is the identity; Q and R̃ are random, so that no two transforms are alike.
        K, M = self.num_transforms, self.num_vectors
        r_tilde_t = torch.eye(M) + torch.randn(K, M, M) / M**0.5
        zeros = torch.zeros(2 * K * M)
        return torch.cat([self.initial_basis().flatten(), r_tilde_t.tril().flatten(), zeros])

    def unpack(self, params: Tensor) -> Sequence[tuple[Tensor, ...]]:
        if not self.num_transforms:
            return []
        raw, triangles, u, b = self._split(params)
        r, s = constrain_sylvester(u, triangles.diagonal(dim1=-2, dim2=-1))
        parts = (triangles, r.unsqueeze(2), s.unsqueeze(2), b.unsqueeze(2), *self.bases(raw))
        # unbind, not [:, k]: the gradient of each [:, k] is as large as the parameters of all K.
        return list(zip(*(part.unbind(1) for part in parts), strict=True))

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        coefficients, basis = params[:4], params[4:]
        y = self.project(k, z, *basis)
        g, log_det = sylvester_step(y, *coefficients)
        return self.add(k, z, g, *basis), log_det

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        coefficients, basis = params[:4], params[4:]
        g, log_det = solve_step(self.project(k, y, *basis), *coefficients)
        return self.add(k, y, -g, *basis), -log_det

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        if self.num_transforms and in_use(self.fused):
            rows, log_dets = self._run_fused(z, params)
            return from_rows(rows, z.shape), from_rows(log_dets.sum(1), z.shape[:-1])
        rows, log_det = super()._forward(to_rows(z, params.shape[:-1]), params)
        return from_rows(rows, z.shape), from_rows(log_det, z.shape[:-1])

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        rows, log_det = super()._inverse(to_rows(y, params.shape[:-1]), params)
        return from_rows(rows, y.shape), from_rows(log_det, y.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        if self.num_transforms and in_use(self.fused):
            _, log_dets = self._run_fused(z, params)
            shape = Size([*z.shape[:-1], self.num_transforms])
            return from_rows(log_dets.mT, shape).movedim(-1, 0)
        rows = to_rows(z, params.shape[:-1])
        log_dets = super()._transform_log_dets(rows, params)  # [K, B, S]
        return log_dets.mT.reshape(self.num_transforms, *z.shape[:-1])

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Packed parameters: raw [B, K, basis_size], triangles [B, K, M, M], u and b [B, K, M]."""
        K, M, size = self.num_transforms, self.num_vectors, self.basis_size
        raw, triangles, u, b = params.reshape(params.shape[:-1].numel(), self.param_size).split(
            [K * size, K * M * M, K * M, K * M], dim=-1
        )
        return (
            raw.unflatten(-1, (K, size)),
            triangles.unflatten(-1, (K, M, M)),
            u.unflatten(-1, (K, M)),
            b.unflatten(-1, (K, M)),
        )

    def _run_fused(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z_K and the log-dets of the transforms as rows, [B, S, D] and [B, K, S]."""
        raw, triangles, u, b = self._split(params)
        rows, log_dets = SylvesterStack.call(
            to_rows(z, params.shape[:-1]), self.vectors(raw), triangles, u, b, self
        )
        return rows, log_dets


def sylvester_step(
    y: Tensor, triangles: Tensor, r: Tensor, s: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """A transform in the coordinates y = Qᵀz, where it is y ↦ y + g with g = R tanh(R̃y + b).

    Args:
        y: [B, S, M].
        triangles: [B, M, M], R above the diagonal and R̃ᵀ on and below it.
        r: [B, 1, M], the diagonal of R.
        s: [B, 1, M], 1 + r·r̃.
        b: [B, 1, M].

    Returns:
        g [B, S, M] and log_det [B, S].
    """
    r_matrix = triangles.triu(1) + torch.diag_embed(r.squeeze(1))
    r_tilde_t = triangles.tril()
    a = y @ r_tilde_t + b
    h = a.tanh()
    det = h * h + s * sech2(a)
    return h @ r_matrix.mT, det.log().sum(-1)


def solve_step(
    image: Tensor, triangles: Tensor, r: Tensor, s: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """From the image y′ = y + g: g, and log_det at y. Shapes as in `sylvester_step`.

    a + R̃R·tanh(a) = R̃y′ + b is upper triangular in a, with s − 1 on R̃R's diagonal: from the last
    coordinate to the first, each is one increasing scalar equation (van den Berg et al. 2018,
    theorem 2).
    """
    r_matrix = triangles.triu(1) + torch.diag_embed(r.squeeze(1))
    r_tilde_t = triangles.tril()
    coupling = r_tilde_t.mT @ r_matrix  # R̃R
    rows = []
    v = torch.baddbmm(b, image, r_tilde_t).mT  # [B, M, S]
    for i in reversed(range(v.shape[1])):
        a_i = solve_tanh(v[:, i], s[:, :, i])
        rows.append(a_i)
        v = v[:, :i] - coupling[:, :i, i : i + 1] * a_i.tanh().unsqueeze(1)
    a = torch.stack(rows[::-1], dim=-1)
    h = a.tanh()
    return h @ r_matrix.mT, torch.addcmul(h * h, s, sech2(a)).log().sum(-1)


@register("sylvester_orthogonal")
class OrthogonalSylvester(Sylvester):
    """K orthogonal Sylvester transforms (van den Berg et al. 2018, section 3.1).

        f(z) = z + Q R tanh(R̃ Qᵀz + b),   log det = Σ_i log(1 + tanh′(a_i) r_i r̃_i)

    Q is any D×M matrix with orthonormal columns, up to the signs of the columns, which R, R̃ and b
    absorb. See `Sylvester` for the other letters and the packed parameters.

    The paper orthogonalises a D×M matrix by Björck's iteration, for which no fixed number of
    iterations suffices for every matrix. Here Q is the product of M reflections, as in Householder
    QR: the i-th is along a vector of i − 1 zeros, a 1, and D − i free numbers. Q is orthonormal to
    rounding and a smooth function of the parameters, none of which is redundant.

    Args:
        dim: D.
        num_transforms: K.
        num_vectors: M ≤ D; None is the smaller of D and 16.
        fused: compute all K transforms as one operation with a hand-written derivative, which is
            faster; False computes one transform after the other, which works under torch.func and
            double backward.

    Raises:
        ValueError: M > D.

    Example:
        >>> import torch
        >>> from nfvae.flows import OrthogonalSylvester
        >>> flow = OrthogonalSylvester(dim=4, num_transforms=3, num_vectors=2)
        >>> z, log_det = flow(torch.randn(100, 4), flow.initial_params())
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        num_vectors: Annotated[int, Ge(1)] | None = None,
        fused: bool = True,
    ) -> None:
        if num_vectors is None:
            num_vectors = min(dim, 16)
        if num_vectors > dim:
            raise ValueError(f"num_vectors must be at most the dimension {dim}, got {num_vectors}")
        free = num_vectors * dim - num_vectors * (num_vectors + 1) // 2
        super().__init__(dim, num_transforms, num_vectors, basis_size=free, fused=fused)

    def initial_basis(self) -> Tensor:
        # Uniform on the orthonormal frames: the QR factors of a Gaussian matrix.
        stored, _ = torch.geqrf(torch.randn(self.num_transforms, self.dim, self.num_vectors))
        row, column = torch.triu_indices(self.num_vectors, self.dim, 1)
        return stored.mT[:, row, column]

    def vectors(self, raw: Tensor) -> Tensor:
        M, D = self.num_vectors, self.dim
        eye = torch.eye(M, D, dtype=raw.dtype, device=raw.device)
        row, column = torch.triu_indices(M, D, 1, device=raw.device)
        free = (row * D + column).expand(raw.shape)
        flat = eye.flatten().expand(*raw.shape[:-1], -1).scatter(-1, free, raw)
        return flat.reshape(*raw.shape[:-1], M, D)

    def factors(self, v: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        q = v.mT @ -w
        q.diagonal(dim1=-2, dim2=-1).add_(1)
        return (q,)

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        (q,) = basis
        return z @ q

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        (q,) = basis
        return torch.baddbmm(z, g, q.mT)


@register("sylvester_householder")
class HouseholderSylvester(Sylvester):
    """K Householder Sylvester transforms (van den Berg et al. 2018, section 3.2).

        f(z) = z + Q R tanh(R̃ Qᵀz + b),   log det = Σ_i log(1 + tanh′(a_i) r_i r̃_i)

    Q is a product of H Householder reflections, M = D. The matrix itself is never computed. See
    `Sylvester` for the other letters and the packed parameters.

    Args:
        dim: D.
        num_transforms: K.
        num_reflections: H ≤ D; None is the smaller of D and 8.
        fused: compute all K transforms as one operation with a hand-written derivative, which is
            faster; False computes one transform after the other, which works under torch.func and
            double backward.

    Raises:
        ValueError: H > D.

    Example:
        >>> import torch
        >>> from nfvae.flows import HouseholderSylvester
        >>> flow = HouseholderSylvester(dim=4, num_transforms=3, num_reflections=2)
        >>> z, log_det = flow(torch.randn(100, 4), flow.initial_params())
    """

    def __init__(
        self,
        dim: int,
        num_transforms: int,
        *,
        num_reflections: Annotated[int, Ge(1)] | None = None,
        fused: bool = True,
    ) -> None:
        if num_reflections is None:
            num_reflections = min(dim, 8)
        if num_reflections > dim:
            raise ValueError(
                f"num_reflections must be at most the dimension {dim}, got {num_reflections}"
            )
        super().__init__(
            dim, num_transforms, num_vectors=dim, basis_size=num_reflections * dim, fused=fused
        )
        self.num_reflections = num_reflections

    def vectors(self, raw: Tensor) -> Tensor:
        return rescale(raw.unflatten(-1, (self.num_reflections, self.dim)))

    def factors(self, v: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        return v, w

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        v, w = basis
        return torch.baddbmm(z, z @ v.mT, w, alpha=-1)

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        v, w = basis
        return torch.baddbmm(z + g, g @ w.mT, v, alpha=-1)


@register("sylvester_triangular")
class TriangularSylvester(Sylvester):
    """K triangular Sylvester transforms (van den Berg et al. 2018, section 3.3).

        f(z) = z + Q R tanh(R̃ Qᵀz + b),   log det = Σ_i log(1 + tanh′(a_i) r_i r̃_i)

    Q is the identity in transforms 1, 3, … and reverses the order of components in 2, 4, …; M = D.
    See `Sylvester` for the other letters and the packed parameters.

    Args:
        dim: D.
        num_transforms: K.
        fused: compute all K transforms as one operation with a hand-written derivative, which is
            faster; False computes one transform after the other, which works under torch.func and
            double backward.

    Example:
        >>> import torch
        >>> from nfvae.flows import TriangularSylvester
        >>> flow = TriangularSylvester(dim=4, num_transforms=3)
        >>> z, log_det = flow(torch.randn(100, 4), flow.initial_params())
    """

    def __init__(self, dim: int, num_transforms: int, *, fused: bool = True) -> None:
        super().__init__(dim, num_transforms, num_vectors=dim, basis_size=0, fused=fused)

    def project(self, k: int, z: Tensor, *basis: Tensor) -> Tensor:
        return z.flip(-1) if k % 2 else z

    def add(self, k: int, z: Tensor, g: Tensor, *basis: Tensor) -> Tensor:
        return z + (g.flip(-1) if k % 2 else g)
