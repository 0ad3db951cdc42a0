"""The test energies of Rezende & Mohamed 2015, table 1: p(z) ∝ exp(−U(z)) on the plane.

    w1 = sin(2π z1/4),   w2 = 3 exp(−½((z1 − 1)/0.6)²),   w3 = 3 σ((z1 − 1)/0.3)

    U1 = ½((‖z‖ − 2)/0.4)² − ln(exp(−½((z1 − 2)/0.6)²) + exp(−½((z1 + 2)/0.6)²))
    U2 = ½((z2 − w1)/0.4)²
    U3 = −ln(exp(−½((z2 − w1)/0.35)²) + exp(−½((z2 − w1 + w2)/0.35)²))
    U4 = −ln(exp(−½((z2 − w1)/0.4)²) + exp(−½((z2 − w1 + w3)/0.35)²))

As printed, U2, U3 and U4 do not grow along z1, so exp(−U) has no finite integral. The paper's
figure shows [−4, 4]² and states no bound. Here these three have a wall,

    + ½ (max(|z1| − 4, 0) / 0.2)²

which is zero for |z1| ≤ 4, so everywhere in the figure. Along z2 no wall is needed. A hard cut
would make KL(q‖p) infinite for every q with full support, and samples outside would have no
gradient. With the wall, 5.9 % of each of these targets lies beyond |z1| = 4, and the integrals of
exp(−U) have closed forms.
"""

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor

Energy = Callable[[Tensor], Tensor]
"""Points [*, 2] -> energies [*] in nats, any floating dtype, differentiable."""

BOX = 4.0
WALL_SCALE = 0.2


def u1(z: Tensor) -> Tensor:
    """Two half-rings facing each other, without a wall: [*, 2] -> [*]."""
    z1 = z[..., 0]
    # At the origin the norm has no gradient; vector_norm returns zero there.
    ring = _quadratic(torch.linalg.vector_norm(z, dim=-1) - 2, 0.4)
    return ring + _either(_quadratic(z1 - 2, 0.6), _quadratic(z1 + 2, 0.6))


def u2(z: Tensor) -> Tensor:
    """A sine wave: [*, 2] -> [*]."""
    z1, z2 = z.unbind(-1)
    return _quadratic(z2 - _w1(z1), 0.4) + _wall(z1)


def u3(z: Tensor) -> Tensor:
    """A sine wave that splits in two and joins again: [*, 2] -> [*]."""
    z1, z2 = z.unbind(-1)
    w2 = 3 * torch.exp(-_quadratic(z1 - 1, 0.6))
    r = z2 - _w1(z1)
    return _either(_quadratic(r, 0.35), _quadratic(r + w2, 0.35)) + _wall(z1)


def u4(z: Tensor) -> Tensor:
    """A sine wave that splits in two: [*, 2] -> [*]."""
    z1, z2 = z.unbind(-1)
    w3 = 3 * torch.sigmoid((z1 - 1) / 0.3)
    r = z2 - _w1(z1)
    return _either(_quadratic(r, 0.4), _quadratic(r + w3, 0.35)) + _wall(z1)


ENERGIES: dict[str, Energy] = {"U1": u1, "U2": u2, "U3": u3, "U4": u4}


def _quadratic(difference: Tensor, scale: float) -> Tensor:
    return 0.5 * (difference / scale).square()


def _either(a: Tensor, b: Tensor) -> Tensor:
    """−ln(e^−a + e^−b), finite for large a and b too."""
    return -torch.logaddexp(-a, -b)


def _w1(z1: Tensor) -> Tensor:
    return torch.sin(z1 * (2 * pi / 4))


def _wall(z1: Tensor) -> Tensor:
    return _quadratic((z1.abs() - BOX).clamp(min=0), WALL_SCALE)
