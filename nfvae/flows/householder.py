"""Householder flow (Tomczak & Welling 2016): K reflections, volume preserving.

    H_k = I − 2 v_k v_kᵀ / ‖v_k‖²,   z_K = H_K … H_1 z,   log det = 0

All K at once, whatever K: see `reflections`. The paper makes each v_k from v_{k−1} by a linear
layer; here all of them come from the encoder, as the other flows' parameters do.
"""

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.layout import fold, unfold
from nfvae.flows.reflections import compact_wy
from nfvae.flows.registry import register


@register("householder")
class Householder(Flow):
    """K Householder reflections; packed parameters v_1 … v_K (D each).

    Their lengths do not matter; a zero vector leaves z as it is.

    A reflection is never near the identity, but two by the same vector cancel: the steps start in
    such pairs. The last of an odd K has no partner; q0 and the prior N(0, I) do not mind.
    """

    @property
    def param_size(self) -> int:
        return self.num_transforms * self.dim

    def initial_params(self) -> Tensor:
        pairs = torch.randn((self.num_transforms + 1) // 2, self.dim)
        return pairs.repeat_interleave(2, dim=0)[: self.num_transforms].flatten()

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v, w = self._reflections(params)  # H_1 … H_K = I − VᵀW; the flow is its transpose
        return self._subtract(z, params, v, w), z.new_zeros(z.shape[:-1])

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v, w = self._reflections(params)
        return self._subtract(y, params, w, v), y.new_zeros(y.shape[:-1])

    def transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return z.new_zeros(self.num_transforms, *z.shape[:-1])

    def _reflections(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return compact_wy(params.reshape(params.shape[:-1].numel(), self.num_transforms, self.dim))

    def _subtract(self, z: Tensor, params: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """(I − rightᵀ left) z for every sample, in rows: z − (z leftᵀ) right."""
        rows = fold(z, params.shape[:-1])
        return unfold(torch.baddbmm(rows, rows @ left.mT, right, alpha=-1), z.shape)
