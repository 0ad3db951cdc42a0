"""q(z|x) and p(z|x), for several images and several models with two latents."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from nfvae.evaluation.posterior_plane import PlanePosterior
from nfvae.experiments.figures.density import Panel, density_figure


def posterior_figure(
    images: Sequence[Tensor],
    posteriors: Sequence[Sequence[PlanePosterior]],
    titles: Sequence[str],
) -> Figure:
    """One row per image x: x, then for each model p(z|x) and q(z|x), in the same colours.

    Args:
        images: [h, w] each, 0 to 1.
        posteriors: for each image, one per model.
        titles: titles of the models.
    """
    rows: list[list[Panel | Tensor]] = []
    for image, row in zip(images, posteriors, strict=True):
        panels: list[Panel | Tensor] = [image]
        for title, posterior in zip(titles, row, strict=True):
            p, q, grid = posterior.log_p.exp(), posterior.log_q.exp(), posterior.grid
            peak = float(p.max())
            panels.append(Panel(f"{title}\np(z|x)", p, grid, peak))
            panels.append(Panel(f"{title}\nq(z|x), KL {posterior.kl:.2f}", q, grid, peak))
        rows.append(panels)
    return density_figure(rows, shared_window=False)
