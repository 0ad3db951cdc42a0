"""The latent plane of a model with two latents."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.experiments.figures.style import QUIET, panel

# Ten colours of Petroff (2021), distinct for colour-blind readers.
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip


def plane_figure(z: Tensor, labels: Tensor | None) -> Figure:
    """Points of the plane, each drawn as its class, so that classes differ in more than colour.

    Args:
        z: [N, 2], one sample of q(z|x) per image.
        labels: int64 [N]; None if unknown, which draws dots.
    """
    figure, axes = panel("z₁", "z₂")
    figure.set_size_inches(4.2, 4.2)
    if labels is None:
        axes.scatter(z[:, 0].numpy(), z[:, 1].numpy(), s=4, color=QUIET)
    else:
        for label in torch.unique(labels).tolist():
            z1, z2 = z[labels == label].numpy().T
            colour = COLOURS[label % len(COLOURS)]
            axes.scatter(z1, z2, s=22, marker=f"${label}$", color=colour, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    return figure
