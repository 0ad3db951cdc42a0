"""Full-covariance Gaussian posterior (the linear IAF of Kingma et al. 2016)."""

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.registry import register
from nfvae.flows.rows import from_rows, to_rows


@register("full_rank")
class FullRank(Flow):
    """A Gaussian with full covariance: one linear transform (Kingma et al. 2016, appendix A).

        f(z) = L z,   L unit lower triangular,   log det = 0

    With z_0 ~ N(μ, S), S diagonal, f(z_0) ~ N(Lμ, L S Lᵀ). Every covariance has exactly one
    such factorisation (LDLᵀ): q0 has the scales and L the correlations. A product of several such
    L is another such L, hence K = 1.

    Packed parameters, D(D − 1)/2 numbers: the entries of L below its diagonal, row by row.

    Args:
        dim: D.
        num_transforms: K, 0 or 1.

    Raises:
        ValueError: K > 1.

    Example:
        >>> import torch
        >>> from nfvae.flows import FullRank
        >>> flow = FullRank(dim=2)
        >>> flow(torch.tensor([1.0, 1.0]), torch.tensor([3.0]))[0]
        tensor([1., 4.])
    """

    def __init__(self, dim: int, num_transforms: int = 1) -> None:
        if num_transforms > 1:
            raise ValueError(
                f"FullRank has one transform: K must be 0 or 1, got K={num_transforms}"
            )
        super().__init__(dim, num_transforms)

    @property
    def param_size(self) -> int:
        return self.num_transforms * (self.dim * (self.dim - 1) // 2)

    def initial_params(self) -> Tensor:
        return torch.zeros(self.param_size)

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        rows = to_rows(z, params.shape[:-1])
        return from_rows(rows @ self._lower(params).mT, z.shape), z.new_zeros(z.shape[:-1])

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        columns = to_rows(y, params.shape[:-1]).mT
        z = torch.linalg.solve_triangular(
            self._lower(params), columns, upper=False, unitriangular=True
        )
        return from_rows(z.mT, y.shape), y.new_zeros(y.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return z.new_zeros(self.num_transforms, *z.shape[:-1])

    def _lower(self, params: Tensor) -> Tensor:
        """L [B, D, D]."""
        B, D = params.shape[:-1].numel(), self.dim
        flat = torch.eye(D, dtype=params.dtype, device=params.device).flatten().expand(B, -1)
        if self.param_size:
            row, column = torch.tril_indices(D, D, -1, device=params.device)
            below = (row * D + column).expand(B, -1)
            flat = flat.scatter(-1, below, params.reshape(B, self.param_size))
        return flat.reshape(B, D, D)
