"""Quantities against training steps, of one run or of the runs of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from nfvae.experiments.figures.style import (
    LINE_COLOURS,
    MARKERS,
    QUIET,
    legend,
    ordered_colours,
    panel,
)
from nfvae.experiments.storage.history import Series

STEPS = "training steps"
MAX_MARKERS = 100  # per line; more would hide it
START = 0.1  # fraction of the steps that the range of the vertical axis ignores


@dataclass(frozen=True)
class BoundCurve:
    """−ELBO of a run during training, in nats.

    Attributes:
        K: number of transforms of its flow.
        complete: whether the run has its results.
    """

    K: int
    neg_elbo: Series
    complete: bool


def bound_figure(train: Series, val: Series) -> Figure:
    """−ELBO on training batches, averaged over each logging interval, and on validation images.

    A run without validation has an empty `val`.
    """
    figure, axes = panel(STEPS, "−ELBO (nats per image)")
    _plot(axes, train, QUIET, "training batches", linewidth=1)
    if val.steps:
        _plot(axes, val, LINE_COLOURS[0], "validation", marker="o", linewidth=1.6)
    _set_range(axes, [train, val])
    legend(axes)
    return figure


def terms_figure(terms: Mapping[str, Series]) -> Figure:
    """Terms of the bound in nats, by name."""
    figure, axes = panel(STEPS, "nats per image")
    for (name, series), colour, marker in zip(terms.items(), LINE_COLOURS, MARKERS, strict=False):
        _plot(axes, series, colour, name, marker=marker, linewidth=1.4)
    _set_range(axes, list(terms.values()))
    legend(axes)
    return figure


def units_figure(active: Series, latent_dim: int) -> Figure:
    """Number of active latent units, and of all units."""
    figure, axes = panel(STEPS, "active latent units")
    axes.axhline(latent_dim, color=QUIET, linestyle=":", linewidth=1.2, label="all units")
    _plot(axes, active, LINE_COLOURS[2], None, marker="o", linewidth=1.6)
    axes.set_ylim(0, latent_dim * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _format_steps(axes)
    legend(axes)
    return figure


def sweep_figure(
    curves: Sequence[BoundCurve], gaussian: Sequence[BoundCurve], split: str
) -> Figure:
    """−ELBO of one flow's runs on a split, darker for larger K, with the diagonal Gaussian in grey.

    Args:
        curves: at least one; runs with the same K share a colour. Incomplete runs are dashed.
        gaussian: runs without a flow, under the same conditions.
        split: validation or training.
    """
    figure, axes = panel(STEPS, f"{split} −ELBO (nats per image)")
    lengths = sorted({curve.K for curve in curves})
    colours = dict(zip(lengths, ordered_colours(len(lengths)), strict=True))
    labelled = [(curve, QUIET, "no flow (K = 0)") for curve in gaussian]
    for curve in sorted(curves, key=lambda curve: curve.K):
        labelled.append((curve, colours[curve.K], f"K = {curve.K}"))
    for curve, colour, label in labelled:
        is_new = label not in axes.get_legend_handles_labels()[1]
        style = "-" if curve.complete else "--"
        _plot(axes, curve.neg_elbo, colour, label if is_new else None, linestyle=style)
    _set_range(axes, [curve.neg_elbo for curve, _, _ in labelled])
    legend(axes)
    return figure


def _plot(
    axes: Axes,
    series: Series,
    colour: str,
    label: str | None,
    marker: str = "",
    linewidth: float = 1.3,
    linestyle: str = "-",
) -> None:
    """A line, with markers if there is room for them; a single point always has one."""
    count = len(series.steps)
    if count == 1:
        marker = marker or "o"
    elif count > MAX_MARKERS:
        marker = ""
    axes.plot(
        *series,
        color=colour,
        label=label,
        marker=marker,
        markersize=3 if count > 1 else 5,
        linewidth=linewidth,
        linestyle=linestyle,
    )


def _set_range(axes: Axes, curves: Sequence[Series]) -> None:
    """Fit the range to all but the first steps, whose large values would flatten the rest."""
    _format_steps(axes)
    last = max((step for series in curves for step in series.steps), default=0)
    late = [
        value
        for steps, values in curves
        for step, value in zip(steps, values, strict=True)
        if step >= START * last
    ]
    if late and min(late) < max(late):
        margin = 0.05 * (max(late) - min(late))
        axes.set_ylim(min(late) - margin, max(late) + margin)


def _format_steps(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0)
