"""q(z|x) beside p(z|x) for several images and several models with two latents."""

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
    """One row per image x: x, then the true posterior and q of each model, in the same colours.

    Args:
        images: [h, w] each, 0 to 1.
        posteriors: for each image, one of each model.
        titles: of the models.
    """
    rows: list[list[Panel | Tensor]] = []
    for image, row in zip(images, posteriors, strict=True):
        panels: list[Panel | Tensor] = [image]
        for posterior in row:
            p, q = posterior.log_p.exp(), posterior.log_q.exp()
            peak = float(p.max())
            panels.append(Panel(p, posterior.grid, peak))
            panels.append(Panel(q, posterior.grid, peak, f"KL {posterior.kl:.2f}"))
        rows.append(panels)
    columns = [
        "x",
        *(name for title in titles for name in (f"p(z|x)\n{title}", f"q(z|x)\n{title}")),
    ]
    return density_figure(rows, columns, shared_window=False, panel_inches=1.45)
