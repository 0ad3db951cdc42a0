"""True posteriors beside q: one row per image, two panels per model."""

import numpy as np
import torch

from nfvae.evaluation.posterior_plane import posterior_on_grid
from nfvae.experiments.figures.density import posterior_figure


def test_panels_per_image_and_model(tiny_vae):
    vae = tiny_vae().requires_grad_(False)
    x = (torch.rand(1, 4, 5) < 0.4).double()
    posterior = posterior_on_grid(vae, x, torch.Generator().manual_seed(0))
    pixels = np.zeros((4, 5), np.uint8)
    figure = posterior_figure([pixels], [[posterior, posterior]], ["a", "b"])
    assert len(figure.axes) == 5
