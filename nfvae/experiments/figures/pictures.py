"""Images of a model as one grid each: what it was shown, what it makes of it, what it dreams."""

import torch
from torch import Tensor

from nfvae.grid import Grid
from nfvae.vae import VAE

PLANE = 3.0  # N(0, I) has 99.5% of its mass within [−3, 3]²


@torch.inference_mode()
def reconstructions(
    vae: VAE, x: Tensor, shape: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """Images x [B, P] above their reconstructions from one z ~ q(z|x): [1, H, W] in [0, 1]."""
    probabilities = vae.decode(vae.posterior(x).draw((), generator).z).sigmoid()
    return _grid(torch.cat([x, probabilities]), shape, columns=len(x))


@torch.inference_mode()
def prior_samples(
    vae: VAE,
    shape: tuple[int, int],
    generator: torch.Generator,
    rows: int = 8,
    columns: int = 8,
) -> Tensor:
    """Pixel probabilities decoded from z ~ N(0, I), rows × columns: [1, H, W] in [0, 1]."""
    return _grid(vae.generate(rows * columns, generator), shape, columns)


@torch.inference_mode()
def latent_plane(vae: VAE, shape: tuple[int, int], rows: int = 15) -> Tensor:
    """Pixel probabilities over [−3, 3]² of a model with two latents: [1, H, W] in [0, 1].

    z1 runs to the right and z2 upwards.
    """
    z = Grid.square(PLANE, rows).points.flip(0).flatten(0, 1)
    weight = vae.output.weight
    return _grid(vae.decode(z.to(weight)).sigmoid(), shape, columns=rows)


@torch.inference_mode()
def traversals(
    vae: VAE, z: Tensor, units: Tensor, shape: tuple[int, int], columns: int = 11
) -> Tensor:
    """One row a unit, set to −3 … 3 in equal steps while the others stay as in z [D]: [1, H, W]."""
    moved = z.repeat(len(units), columns, 1)
    moved[torch.arange(len(units)), :, units] = torch.linspace(-PLANE, PLANE, columns).to(z)
    return _grid(vae.decode(moved.flatten(0, 1)).sigmoid(), shape, columns)


@torch.inference_mode()
def interpolations(
    vae: VAE, x: Tensor, shape: tuple[int, int], generator: torch.Generator, columns: int = 9
) -> Tensor:
    """From each image of x [2B, P] to the next, B rows: [1, H, W] in [0, 1].

    Between the two images, first and last in their row, is what lies on the straight line between
    one sample of q(z|x) of each, ends included.
    """
    start, end = vae.posterior(x).draw((), generator).z.unflatten(0, (-1, 2)).unbind(1)
    weight = torch.linspace(0, 1, columns).to(start)[:, None]
    between = vae.decode(torch.lerp(start[:, None], end[:, None], weight)).sigmoid()
    left, right = x.unflatten(0, (-1, 2)).unbind(1)
    rows = torch.cat([left[:, None], between, right[:, None]], dim=1)
    return _grid(rows.flatten(0, 1), shape, columns + 2)


def _grid(images: Tensor, shape: tuple[int, int], columns: int) -> Tensor:
    from torchvision.utils import make_grid  # importing it takes longer than a thousand steps

    grid: Tensor = make_grid(images.view(-1, 1, *shape), nrow=columns, pad_value=0.25)
    return grid[:1]  # make_grid repeats a grey image for three colours
