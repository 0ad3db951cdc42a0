"""Grids of images: reconstructions, samples, the latent plane, traversals, interpolations."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nfvae.grid import Grid
from nfvae.vae import VAE

PLANE = 3.0  # N(0, I) has 99.5% of its mass within [−3, 3]²
BORDER = 2  # pixels around each image of a grid


@torch.inference_mode()
def reconstructions(vae: VAE, x: Tensor, generator: torch.Generator) -> Tensor:
    """Images x [B, C, H, W] above their reconstructions, from one z ~ q(z|x): [C, H′, W′]."""
    means = vae.mean(vae.posterior(x, validate_args=False).draw((), generator).z)
    return _grid(torch.cat([x, means]), columns=len(x))


@torch.inference_mode()
def prior_samples(vae: VAE, generator: torch.Generator, rows: int = 8, columns: int = 8) -> Tensor:
    """Means of p(x|z) decoded from z ~ p(z), the prior, rows × columns: [C, H′, W′] in [0, 1]."""
    return _grid(vae.sample(rows * columns, generator), columns)


@torch.inference_mode()
def latent_plane(vae: VAE, rows: int = 15) -> Tensor:
    """Means of p(x|z) over [−3, 3]² of a model with two latents: [C, H′, W′] in [0, 1].

    z1 points right and z2 up.
    """
    z = Grid.square(PLANE, rows).points.flip(0).flatten(0, 1)
    return _grid(vae.mean(z.to(vae.head.weight)), columns=rows)


@torch.inference_mode()
def traversals(vae: VAE, z: Tensor, units: Tensor, columns: int = 11) -> Tensor:
    """One row per unit, set to −3 … 3 while the others stay as in z [D]: [C, H′, W′]."""
    moved = z.repeat(len(units), columns, 1)
    moved[torch.arange(len(units)), :, units] = torch.linspace(-PLANE, PLANE, columns).to(z)
    return _grid(vae.mean(moved.flatten(0, 1)), columns)


@torch.inference_mode()
def interpolations(vae: VAE, x: Tensor, generator: torch.Generator, columns: int = 9) -> Tensor:
    """From each image of x [2B, C, H, W] to the next, B rows: [C, H′, W′] in [0, 1].

    Each row starts and ends with the two images. Between them are the decoded points of the
    straight line from a sample of the first image's q(z|x) to a sample of the second's.
    """
    start, end = (
        vae.posterior(x, validate_args=False).draw((), generator).z.unflatten(0, (-1, 2)).unbind(1)
    )
    weight = torch.linspace(0, 1, columns).to(start)[:, None]
    between = vae.mean(torch.lerp(start[:, None], end[:, None], weight))
    left, right = x.unflatten(0, (-1, 2)).unbind(1)
    rows = torch.cat([left[:, None], between, right[:, None]], dim=1)
    return _grid(rows.flatten(0, 1), columns + 2)


def is_ink(vae: VAE) -> bool:
    """Whether the model's images are ink on paper, where 1 is black: grey ones of bits."""
    return vae.image_shape[0] < 3 and "bits" in vae.likelihood.accepts


def to_pixels(vae: VAE, image: Tensor) -> npt.NDArray[np.uint8]:
    """An image [C, H, W] of values in [0, 1] as the model's data look: [H, W], or [H, W, 3].

    Bits are ink on paper; of grey levels, as in a photograph, 1 is white. The first three of more
    channels are red, green and blue.
    """
    image = 1 - image if is_ink(vae) else image
    values = image[0] if image.shape[0] < 3 else image[:3].movedim(0, -1)
    pixels: npt.NDArray[np.uint8] = (values.clamp(0, 1) * 255).round().byte().numpy()
    return pixels


def stack(grids: Sequence[Tensor]) -> Tensor:
    """Stack grids [C, H_i, W] vertically; neighbours share a border."""
    first, *others = grids
    return torch.cat([first, *(grid[:, BORDER:] for grid in others)], dim=1)


def _grid(images: Tensor, columns: int) -> Tensor:
    """Images [N, C, H, W] in rows with a border around each: [C, H′, W′]."""
    from torchvision.utils import make_grid  # the import is slow

    grid: Tensor = make_grid(images.clamp(0, 1), nrow=columns, padding=BORDER, pad_value=0.25)
    return grid[: images.shape[1]]  # make_grid repeats a grey image as three colours
