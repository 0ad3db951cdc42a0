"""Full-covariance Gaussian posterior (the linear IAF of Kingma et al. 2016).

    f(z) = L z,   L unit lower triangular,   log det = 0

With z_0 ~ N(μ, S), S diagonal, z_1 ~ N(Lμ, L S Lᵀ): every covariance is of that form, in one way
only (the LDLᵀ factorisation), so the scales stay with q0 and L holds nothing but correlations.
"""

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.layout import fold, unfold
from nfvae.flows.registry import register


@register("full_rank")
class FullRank(Flow):
    """One linear step; a product of several would be of the same form.

    Packed parameters: the entries of L below its diagonal, row by row.

    Raises:
        ValueError: K > 1.
    """

    def __init__(self, dim: int, num_transforms: int = 1) -> None:
        if num_transforms > 1:
            raise ValueError(f"it has one step, so K must be 0 or 1, got K={num_transforms}")
        super().__init__(dim, num_transforms)

    @property
    def param_size(self) -> int:
        return self.num_transforms * (self.dim * (self.dim - 1) // 2)

    def initial_params(self) -> Tensor:
        return torch.zeros(self.param_size)

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        rows = fold(z, params.shape[:-1])
        return unfold(rows @ self._lower(params).mT, z.shape), z.new_zeros(z.shape[:-1])

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        columns = fold(y, params.shape[:-1]).mT
        z = torch.linalg.solve_triangular(
            self._lower(params), columns, upper=False, unitriangular=True
        )
        return unfold(z.mT, y.shape), y.new_zeros(y.shape[:-1])

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return z.new_zeros(self.num_transforms, *z.shape[:-1])

    def _lower(self, params: Tensor) -> Tensor:
        """L [B, D, D]."""
        eye = torch.eye(self.dim, dtype=params.dtype, device=params.device)
        lower = eye.repeat(params.shape[:-1].numel(), 1, 1)
        if self.param_size:
            row, column = torch.tril_indices(self.dim, self.dim, -1, device=params.device)
            lower[:, row, column] = params.reshape(-1, self.param_size)
        return lower
