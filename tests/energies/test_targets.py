"""The energies against table 1 written out in plain numbers, and their normalizers."""

from math import exp, hypot, log, pi, sin

import pytest
import torch

from nfvae.energies import ENERGIES
from nfvae.energies.kl import SQUARE, log_normalizer
from nfvae.energies.targets import BOX, WALL_SCALE
from nfvae.grid import Grid

POINTS = [(0.3, -1.2), (-1.9, 0.4), (2.0, 0.0), (1.0, 2.5), (-4.0, 4.0), (3.7, -3.1)]


def table_1(name, z1, z2):
    def gauss(a, scale):
        return exp(-0.5 * (a / scale) ** 2)

    w1 = sin(2 * pi * z1 / 4)
    w2 = 3 * exp(-0.5 * ((z1 - 1) / 0.6) ** 2)
    w3 = 3 / (1 + exp(-(z1 - 1) / 0.3))
    return {
        "U1": lambda: (
            0.5 * ((hypot(z1, z2) - 2) / 0.4) ** 2 - log(gauss(z1 - 2, 0.6) + gauss(z1 + 2, 0.6))
        ),
        "U2": lambda: 0.5 * ((z2 - w1) / 0.4) ** 2,
        "U3": lambda: -log(gauss(z2 - w1, 0.35) + gauss(z2 - w1 + w2, 0.35)),
        "U4": lambda: -log(gauss(z2 - w1, 0.4) + gauss(z2 - w1 + w3, 0.35)),
    }[name]()


@pytest.mark.parametrize("name", ENERGIES)
def test_table_1_inside_the_box(name):
    expected = torch.tensor([table_1(name, *z) for z in POINTS], dtype=torch.float64)
    z = torch.tensor(POINTS, dtype=torch.float64)
    torch.testing.assert_close(ENERGIES[name](z), expected)
    torch.testing.assert_close(ENERGIES[name](z.view(2, 3, 2)), expected.view(2, 3))


@pytest.mark.parametrize("name", ["U2", "U3", "U4"])
def test_wall_starts_at_the_box_and_rises(name):
    """The printed U2 has the period of w1; only the wall breaks it."""
    inside = ENERGIES[name](torch.tensor([[4.0, 0.5], [-4.0, 0.5]], dtype=torch.float64))
    expected = torch.tensor([table_1(name, z1, 0.5) for z1 in (4.0, -4.0)], dtype=torch.float64)
    torch.testing.assert_close(inside, expected)
    outside = ENERGIES[name](torch.tensor([[4.4, 0.5], [-4.4, 0.5]], dtype=torch.float64))
    printed = torch.tensor([table_1(name, z1, 0.5) for z1 in (4.4, -4.4)], dtype=torch.float64)
    torch.testing.assert_close(outside - printed, torch.full((2,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ENERGIES)
def test_finite_with_gradient_far_out_and_at_the_origin(name, dtype):
    z = torch.tensor([[0.0, 0.0], [1e4, -1e4], [-1e4, 0.0], [0.0, 1e4]], dtype=dtype)
    z.requires_grad_()
    energy = ENERGIES[name](z)
    (gradient,) = torch.autograd.grad(energy.sum(), z)
    assert energy.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients(name):
    z = torch.tensor([*POINTS, (4.3, 1.0)], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(ENERGIES[name], z)


@pytest.mark.parametrize("name", ENERGIES)
def test_normalizers_do_not_depend_on_the_grid(name):
    assert log_normalizer(ENERGIES[name], Grid.square(9.0, 611)) == pytest.approx(
        log_normalizer(ENERGIES[name]), abs=1e-5
    )


@pytest.mark.parametrize(("name", "widths"), [("U2", 0.4), ("U3", 0.35 + 0.35), ("U4", 0.4 + 0.35)])
def test_normalizers_have_closed_forms(name, widths):
    """Along each z1 there are Gaussians in z2; z1 itself is uniform up to the wall."""
    length = 2 * BOX + (2 * pi) ** 0.5 * WALL_SCALE
    expected = log(length * (2 * pi) ** 0.5 * widths)
    assert log_normalizer(ENERGIES[name]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ENERGIES)
def test_targets_have_no_mass_outside_the_square(name):
    edge = ENERGIES[name](Grid.square(10.0, 500).points)
    outside = Grid.square(10.0, 500).points.abs().amax(-1) > SQUARE.high[0]
    log_mass = Grid.square(10.0, 500).log_integral(torch.where(outside, -edge, -torch.inf))
    assert log_mass - log_normalizer(ENERGIES[name]) < log(1e-9)
