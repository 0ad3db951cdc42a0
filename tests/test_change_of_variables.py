"""The formula everything here rests on: p_y(y) = p_x(x) / |dy/dx|, at an example done by hand."""

import torch
from torch import Tensor

from nfvae.flows import Flow


class Square(Flow):
    """y = x² on x > 0: log|dy/dx| = log 2x."""

    param_size = 0

    def initial_params(self) -> Tensor:
        return torch.zeros(0)

    def forward(self, z: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return z.square(), (2 * z).log().sum(-1)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return y.sqrt(), -(2 * y.sqrt()).log().sum(-1)

    def step_log_dets(self, z: Tensor, params: Tensor) -> Tensor:
        return self(z, params)[1].unsqueeze(0)


def log_triangle(x: Tensor) -> Tensor:
    """log p(x) of p(x) = 2x on [0, 1]."""
    return (2 * x).log().squeeze(-1)


def test_the_density_2x_becomes_uniform_under_the_square():
    square, params = Square(1, 1), torch.zeros(0)
    y = torch.linspace(0.01, 1, 100, dtype=torch.float64).unsqueeze(-1)
    x, inverse_log_det = square.inverse(y, params)
    log_p = log_triangle(x) + inverse_log_det
    torch.testing.assert_close(log_p, torch.zeros(100, dtype=torch.float64), atol=1e-14, rtol=0)
    _, log_det = square(x, params)
    torch.testing.assert_close(log_triangle(x) - log_det, log_p)


def test_its_samples_are_uniform():
    # If U is uniform, √U has density 2x; its square must be uniform again: mean 1/2, variance 1/12.
    x = torch.rand(100_000, 1, generator=torch.Generator().manual_seed(0)).sqrt()
    y, _ = Square(1, 1)(x, torch.zeros(0))
    assert abs(y.mean() - 1 / 2) <= 0.005
    assert abs(y.var() - 1 / 12) <= 0.002
