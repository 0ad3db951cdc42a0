"""Planar flows as public code computes them, one transform after the other, for comparison."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nfvae.flows.fused.planar import split_params
from nfvae.flows.planar import Planar


class PlanarLoop(Planar):
    """The transforms of `Planar`, with the same parameters, by elementwise products and sums."""

    def __init__(self, dim: int, num_transforms: int) -> None:
        super().__init__(dim, num_transforms, fused=False)

    def unpack(self, params: Tensor) -> list[tuple[Tensor, ...]]:
        w, u, b = split_params(params, self.num_transforms, self.dim)
        return list(zip(w.unbind(-2), u.unbind(-2), b.unsqueeze(-1).unbind(-2), strict=True))

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        w, u, b = params
        c = self.dot(w, u)
        u_hat = u + (softplus(c + self.shift) - 1 - c) * w / w.square().sum(-1, keepdim=True)
        h = torch.tanh(self.dot(w, z) + b)
        log_det = torch.log(torch.abs(1 + self.dot((1 - h.square()) * w, u_hat)))
        return z + u_hat * h, log_det.squeeze(-1)

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner products of rows: [*, D], [*, D] -> [*, 1]."""
        return (a * b).sum(-1, keepdim=True)


class PlanarBmmLoop(PlanarLoop):
    """The same with batched products of a row and a column, the most common form."""

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a.unsqueeze(-2), b.unsqueeze(-1)).squeeze(-1)
