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
    vae: VAE, shape: tuple[int, int], generator: torch.Generator, rows: int = 8
) -> Tensor:
    """Pixel probabilities decoded from z ~ N(0, I), rows × rows: [1, H, W] in [0, 1]."""
    return _grid(vae.generate(rows * rows, generator), shape, columns=rows)


@torch.inference_mode()
def latent_plane(vae: VAE, shape: tuple[int, int], rows: int = 15) -> Tensor:
    """Pixel probabilities over [−3, 3]² of a model with two latents: [1, H, W] in [0, 1].

    z1 runs to the right and z2 upwards.
    """
    z = Grid.square(PLANE, rows).points.flip(0).flatten(0, 1)
    weight = vae.output.weight
    return _grid(vae.decode(z.to(weight)).sigmoid(), shape, columns=rows)


def _grid(images: Tensor, shape: tuple[int, int], columns: int) -> Tensor:
    from torchvision.utils import make_grid  # importing it takes longer than a thousand steps

    grid: Tensor = make_grid(images.view(-1, 1, *shape), nrow=columns, pad_value=0.5)
    return grid[:1]  # make_grid repeats a grey image for three colours
