"""A fine grid on a rectangle of the plane, and integrals over it."""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Midpoints of n × n cells of a rectangle.

    For a smooth density that vanishes at the rectangle's edge the midpoint sum converges faster
    than any power of the cell's width.

    Attributes:
        low: (x, y) of the lower left corner.
        high: (x, y) of the upper right corner.
        n: cells per side.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    n: int

    @classmethod
    def square(cls, half_width: float, n: int) -> "Grid":
        """[−half_width, half_width]²."""
        return cls((-half_width, -half_width), (half_width, half_width), n)

    @property
    def points(self) -> Tensor:
        """Float64 [n, n, 2]; the first axis is y, so that images need no transposing."""
        x, y = (
            left + (right - left) * (torch.arange(self.n, dtype=torch.float64) + 0.5) / self.n
            for left, right in zip(self.low, self.high, strict=True)
        )
        yy, xx = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([xx, yy], dim=-1)

    @property
    def log_cell(self) -> float:
        """Logarithm of a cell's area."""
        (x0, y0), (x1, y1) = self.low, self.high
        return log((x1 - x0) / self.n) + log((y1 - y0) / self.n)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(x0, x1, y0, y1), for matplotlib's imshow with origin="lower"."""
        return self.low[0], self.high[0], self.low[1], self.high[1]

    def log_integral(self, log_f: Tensor) -> Tensor:
        """log ∫ f over the rectangle from log f at the points: [*, n, n] -> [*]."""
        return log_f.flatten(-2).logsumexp(-1) + self.log_cell

    def kl(self, log_q: Tensor, log_p: Tensor) -> Tensor:
        """∫ q log(q/p) in nats over the rectangle, both normalised: [*, n, n] -> [*].

        The part of q outside the rectangle is missing; exp(`log_integral(log_q)`) is the mass
        inside.
        """
        q = (log_q + self.log_cell).exp()
        # 0·log 0 = 0, also where log_q is −inf
        return torch.where(q > 0, q * (log_q - log_p), 0.0).flatten(-2).sum(-1)
