"""Householder flow (Tomczak & Welling 2016)."""

import torch
from torch import Tensor

from nfvae.flows.base import Flow
from nfvae.flows.reflections import compact_wy
from nfvae.flows.registry import register
from nfvae.flows.rows import from_rows, to_rows


@register("householder")
class Householder(Flow):
    """K Householder reflections, volume preserving (Tomczak & Welling 2016, section 3.2).

        H_k = I − 2 v_k v_kᵀ / ‖v_k‖²,   f(z) = H_K … H_1 z,   log det = 0

    All K reflections are applied at once, see `nfvae.flows.reflections`. The paper makes each v_k
    from v_{k−1} by a linear layer; here all of them come from the encoder, like the other flows'
    parameters.

    Packed parameters, K·D numbers: v_1 … v_K. Their lengths do not matter; v_k = 0 gives H_k = I.

    A reflection is never near the identity, but two along the same vector cancel: training starts
    with such pairs. For odd K one reflection remains; it leaves N(0, I) unchanged.

    Args:
        dim: D.
        num_transforms: K.

    Example:
        >>> import torch
        >>> from nfvae.flows import Householder
        >>> flow = Householder(dim=3, num_transforms=4)
        >>> z, log_det = flow(torch.randn(100, 3), torch.randn(flow.param_size))
        >>> log_det.abs().max()
        tensor(0.)
    """

    @property
    def param_size(self) -> int:
        return self.num_transforms * self.dim

    def initial_params(self) -> Tensor:
        pairs = torch.randn((self.num_transforms + 1) // 2, self.dim)
        return pairs.repeat_interleave(2, dim=0)[: self.num_transforms].flatten()

    def _forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v, w = self._reflections(params)  # H_1 … H_K = I − VᵀW; the flow is its transpose
        return self._subtract(z, params, v, w), z.new_zeros(z.shape[:-1])

    def _inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v, w = self._reflections(params)
        return self._subtract(y, params, w, v), y.new_zeros(y.shape[:-1])

    def _transform_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return z.new_zeros(self.num_transforms, *z.shape[:-1])

    def _reflections(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return compact_wy(params.reshape(params.shape[:-1].numel(), self.num_transforms, self.dim))

    def _subtract(self, z: Tensor, params: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """(I − rightᵀ left) z for every sample, in rows: z − (z leftᵀ) right."""
        rows = to_rows(z, params.shape[:-1])
        return from_rows(torch.baddbmm(rows, rows @ left.mT, right, alpha=-1), z.shape)
