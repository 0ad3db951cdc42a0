"""Quantities against training steps, of one run or of the runs of a sweep."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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


class BoundCurve(NamedTuple):
    """−ELBO of a run during training, in nats."""

    K: int
    neg_elbo: Series
    complete: bool


def bound_figure(train: Series, val: Series) -> Figure:
    """−ELBO on training batches, averaged over each logging interval, and on validation images.

    A run without validation has an empty `val`.
    """
    figure, axes = panel(STEPS, "−ELBO (nats per image)")
    _plot(axes, train, color=QUIET, label="training batches")
    if val.steps:
        _plot(axes, val, color=LINE_COLOURS[0], label="validation", marker="o")
    _finish(axes, [train, val])
    return figure


def terms_figure(terms: Mapping[str, Series]) -> Figure:
    """Terms of the bound in nats, by name."""
    figure, axes = panel(STEPS, "nats per image")
    for (name, series), colour, marker in zip(terms.items(), LINE_COLOURS, MARKERS, strict=False):
        _plot(axes, series, color=colour, label=name, marker=marker)
    _finish(axes, terms.values())
    return figure


def units_figure(active: Series, latent_dim: int) -> Figure:
    """Number of active latent units, and of all units."""
    figure, axes = panel(STEPS, "active latent units")
    axes.axhline(latent_dim, color=QUIET, linestyle=":", linewidth=1.2, label="all units")
    _plot(axes, active, color=LINE_COLOURS[2], marker="o")
    _finish(axes, [])
    axes.set_ylim(0, latent_dim * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
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
    lines = [(curve, QUIET, "no flow (K = 0)") for curve in gaussian]
    lines += [
        (curve, colours[curve.K], f"K = {curve.K}") for curve in sorted(curves, key=lambda c: c.K)
    ]
    labels = set[str]()
    for curve, colour, label in lines:
        style = "-" if curve.complete else "--"
        name = None if label in labels else label
        _plot(axes, curve.neg_elbo, color=colour, label=name, linestyle=style)
        labels.add(label)
    _finish(axes, [curve.neg_elbo for curve, *_ in lines])
    return figure


def _plot(axes: Axes, series: Series, marker: str = "", **options: Any) -> None:
    """A line, with markers if there is room for them; a single point always has one."""
    count = len(series.steps)
    if count == 1:
        marker = marker or "o"
    elif count > MAX_MARKERS:
        marker = ""
    size = 3 if count > 1 else 5
    axes.plot(*series, marker=marker, markersize=size, linewidth=1.4, **options)


def _finish(axes: Axes, curves: Iterable[Series]) -> None:
    """Fit the range to all but the first steps, whose large values would flatten the rest."""
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0)
    legend(axes)
    points = [point for series in curves for point in zip(*series, strict=True)]
    start = START * max((step for step, _ in points), default=0)
    late = [value for step, value in points if step >= start]
    if late and min(late) < max(late):
        margin = 0.05 * (max(late) - min(late))
        axes.set_ylim(min(late) - margin, max(late) + margin)
