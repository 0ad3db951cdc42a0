"""Bar charts: the log-determinant of each transform, and the activity of each latent unit."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nfvae.experiments.figures.style import LINE_COLOURS, QUIET, legend, panel

FLOOR = 1e-4  # lower end of the logarithmic axis; estimates of zero can be negative


def log_det_figure(log_dets: Sequence[float]) -> Figure:
    """Mean log|det ∂f_k/∂z_{k−1}| in nats, of transforms k = 1 … K."""
    figure, axes = panel("k, number of the transform", "log |det| (nats)")
    _bars(axes, log_dets, LINE_COLOURS[0])
    axes.axhline(0, color=QUIET, linewidth=0.8)
    return figure


def activity_figure(activity: Sequence[float], threshold: float) -> Figure:
    """Var_x E[z_i|x] of each latent unit in descending order, and the threshold of active units."""
    figure, axes = panel("latent units, in descending order", "Var E[z | x]")
    values = [max(value, FLOOR) for value in sorted(activity, reverse=True)]
    _bars(axes, values, LINE_COLOURS[2])
    label = f"active above {threshold:g}"
    axes.axhline(threshold, color=LINE_COLOURS[1], linestyle="--", linewidth=1.2, label=label)
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 8 * max(1.0, *values))  # room for the legend
    legend(axes)
    return figure


def _bars(axes: Axes, heights: Sequence[float], colour: str) -> None:
    axes.bar(range(1, len(heights) + 1), heights, color=colour, width=0.75)
    axes.set_xlim(0.3, len(heights) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
