"""A figure of reconstructions and samples of a trained model."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.experiments.figures.pictures import (
    prior_samples,
    reconstructions,
    show_images,
    stack,
)
from nfvae.vae import VAE


def run_figure(vae: VAE, x: Tensor, seed: int = 0) -> Figure:
    """Images above their reconstructions, and samples decoded from the prior.

    Args:
        vae: the model, on the CPU.
        x: images [B, C, H, W], about 24.
        seed: for the samples of the posterior and the prior.
    """
    generator = torch.Generator().manual_seed(seed)
    columns = 8
    rows = [reconstructions(vae, portion, generator) for portion in x.split(columns)]
    panels = {
        "test images, reconstructions below": stack(rows),
        "samples: decode z ~ p(z)": prior_samples(vae, generator, columns=columns),
    }
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    for axis, (title, grid) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        show_images(axis, grid, ink="bits" in vae.likelihood.accepts)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure
