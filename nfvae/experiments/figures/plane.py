"""The latent plane of a model with two latents."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.experiments.figures.style import DIGITS, QUIET, style_axes


def plane_figure(z: Tensor, labels: Tensor | None) -> Figure:
    """Points of the plane, each drawn as its digit, so that classes differ in more than colour.

    Args:
        z: [N, 2], one sample of q(z|x) per image.
        labels: int64 [N], 0 to 9; None if unknown, which draws dots.
    """
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "z₁", "z₂")
    if labels is None:
        axes.scatter(z[:, 0].numpy(), z[:, 1].numpy(), s=4, color=QUIET)
    else:
        for digit in torch.unique(labels).tolist():
            z1, z2 = z[labels == digit].numpy().T
            axes.scatter(z1, z2, s=22, marker=f"${digit}$", color=DIGITS[digit], linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    return figure
