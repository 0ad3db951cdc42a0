"""Pictures of a model are grids of what its decoder returns."""

import pytest
import torch

from nfvae.experiments.figures.pictures import (
    interpolations,
    latent_plane,
    prior_samples,
    stack,
    to_pixels,
    traversals,
)
from nfvae.flows import FLOWS
from nfvae.likelihoods import Bernoulli, DiscretizedLogistic
from nfvae.networks import mlp
from nfvae.vae import VAE

SHAPE = (4, 5)


@pytest.fixture
def cells():
    """The images of a grid, [rows, columns, 4, 5]."""

    def cut(grid):
        assert grid.shape[0] == 1
        height, width = SHAPE[0] + 2, SHAPE[1] + 2
        tiles = grid[0, 2:, 2:].unfold(0, SHAPE[0], height).unfold(1, SHAPE[1], width)
        return tiles.double()

    return cut


def image(vae, z):
    return vae.mean(z.double())[..., 0, :, :]


def test_plane_has_z2_upwards(tiny_vae, cells):
    vae = tiny_vae()
    tiles = cells(latent_plane(vae, rows=3))  # midpoints of [−3, 3]: −2, 0, 2
    z = torch.tensor([[[x, y] for x in (-2, 0, 2)] for y in (2, 0, -2)])
    assert torch.allclose(tiles, image(vae, z))


def test_traversal_moves_one_unit_per_row(tiny_vae, cells):
    vae, z = tiny_vae(dim=3), torch.tensor([0.3, -0.7, 1.1]).double()
    tiles = cells(traversals(vae, z, torch.tensor([2, 0]), columns=3))
    for row, unit in enumerate((2, 0)):
        for column, value in enumerate((-3.0, 0.0, 3.0)):
            moved = z.clone()
            moved[unit] = value
            assert torch.allclose(tiles[row, column], image(vae, moved))


def test_interpolation_is_straight_between_samples_of_its_two_images(tiny_vae, cells):
    vae = tiny_vae()
    x = torch.bernoulli(torch.full((4, 1, 4, 5), 0.5)).double()
    draw = vae.posterior(x).draw((), torch.Generator().manual_seed(3)).z
    tiles = cells(interpolations(vae, x, torch.Generator().manual_seed(3), columns=3))
    assert tiles.shape[:2] == (2, 5)
    for row in range(2):
        a, b = draw[2 * row], draw[2 * row + 1]
        assert torch.equal(tiles[row, 0], x[2 * row].view(SHAPE))
        assert torch.equal(tiles[row, 4], x[2 * row + 1].view(SHAPE))
        for column, weight in enumerate((0, 0.5, 1)):
            assert torch.allclose(tiles[row, column + 1], image(vae, (1 - weight) * a + weight * b))


def test_samples_fill_rows_and_columns(tiny_vae, cells):
    assert cells(prior_samples(tiny_vae(), torch.Generator(), 2, 7)).shape[:2] == (2, 7)


def test_grids_above_each_other_keep_all_borders(tiny_vae):
    """One grid of 4 rows, and the same rows as two grids."""
    grid = prior_samples(tiny_vae(), torch.Generator(), 4, 3)
    height = 2 * (SHAPE[0] + 2)
    assert torch.equal(stack([grid[:, : height + 2], grid[:, height:]]), grid)


@pytest.mark.parametrize(
    ("shape", "likelihood", "expected"),
    [
        ((1, 4, 4), Bernoulli, [[255, 0], [128, 0]]),  # bits are ink on paper
        ((1, 4, 4), DiscretizedLogistic, [[0, 255], [128, 255]]),  # levels are light
        ((3, 4, 4), DiscretizedLogistic, [[[0] * 3, [255] * 3], [[128] * 3, [255] * 3]]),
    ],
)
def test_pixels_look_as_the_data_do(shape, likelihood, expected):
    options = likelihood()
    encoder, decoder = mlp(shape, 2, options.parameters_per_channel, hidden=[4])
    vae = VAE(encoder, FLOWS["none"](2, 0), decoder, options)
    image = torch.tensor([[0.0, 1.0], [0.5, 2.0]]).expand(shape[0], 2, 2)
    assert to_pixels(vae, image).tolist() == expected
