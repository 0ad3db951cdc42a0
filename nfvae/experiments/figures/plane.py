"""Where a model with two latents puts its images."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.experiments.figures.style import DIGITS, QUIET, dress


def plane_figure(z: Tensor, labels: Tensor | None) -> Figure:
    """Points of the plane, each drawn as its digit, so that colour is not all that tells them.

    Args:
        z: [N, 2], one sample of q(z|x) an image.
        labels: int64 [N], 0 to 9; None where nobody knows them: then dots.
    """
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    dress(axes, "z₁", "z₂")
    if labels is None:
        axes.scatter(z[:, 0].numpy(), z[:, 1].numpy(), s=4, color=QUIET)
    else:
        for digit in torch.unique(labels).tolist():
            z1, z2 = z[labels == digit].numpy().T
            axes.scatter(z1, z2, s=22, marker=f"${digit}$", color=DIGITS[digit], linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    return figure
