"""Quantities against training steps: of one run, and of the runs of a sweep."""

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
MARKED = 100  # points of a line; of more, their marks would hide it
START = 0.1  # of the steps; the vertical axis is chosen for what comes after them


@dataclass(frozen=True)
class Course:
    """A run's −ELBO, in nats.

    Attributes:
        K: steps of its flow.
        complete: the run has its results; else it was cut off, or is under way.
    """

    K: int
    neg_elbo: Series
    complete: bool


def bound_figure(train: Series, val: Series) -> Figure:
    """−ELBO on training batches, averaged over each logging interval, and on validation images.

    Without validation, of training alone.
    """
    figure, axes = panel(STEPS, "−ELBO (nats per image)")
    axes.plot(*train, color=QUIET, linewidth=1, label="training batches")
    if val.steps:
        axes.plot(
            *val, color=LINE_COLOURS[0], linewidth=1.6, marker="o", markersize=3, label="validation"
        )
    _fit(axes, [train, val])
    legend(axes)
    return figure


def terms_figure(terms: Mapping[str, Series]) -> Figure:
    """Terms of the bound in nats, each under its name."""
    figure, axes = panel(STEPS, "nats per image")
    for (name, series), colour, marker in zip(terms.items(), LINE_COLOURS, MARKERS, strict=False):
        mark = marker if len(series.steps) <= MARKED else ""
        axes.plot(*series, color=colour, linewidth=1.4, marker=mark, markersize=3, label=name)
    _fit(axes, list(terms.values()))
    legend(axes)
    return figure


def units_figure(active: Series, latent_dim: int) -> Figure:
    """How many latent units are active, of how many there are."""
    figure, axes = panel(STEPS, "active latent units")
    axes.axhline(latent_dim, color=QUIET, linestyle=":", linewidth=1.2, label="all units")
    axes.plot(*active, color=LINE_COLOURS[2], linewidth=1.6, marker="o", markersize=3)
    axes.set_ylim(0, latent_dim * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _steps(axes)
    legend(axes)
    return figure


def sweep_figure(courses: Sequence[Course], gaussian: Sequence[Course], split: str) -> Figure:
    """−ELBO of one flow's runs on a split, darker with K, before the diagonal Gaussian's in grey.

    Args:
        courses: at least one; runs of one K, which differ in their seeds, share a colour. Runs that
            are not complete are dashed.
        gaussian: runs without a flow, under the same conditions.
        split: validation or training.
    """
    figure, axes = panel(STEPS, f"{split} −ELBO (nats per image)")
    lengths = sorted({course.K for course in courses})
    colours = dict(zip(lengths, ordered_colours(len(lengths)), strict=True))
    for course in gaussian:
        _line(axes, course, QUIET, "no flow (K = 0)")
    for course in sorted(courses, key=lambda course: course.K):
        _line(axes, course, colours[course.K], f"K = {course.K}")
    _fit(axes, [course.neg_elbo for course in (*gaussian, *courses)])
    legend(axes)
    return figure


def _line(axes: Axes, course: Course, colour: str, label: str) -> None:
    if label in axes.get_legend_handles_labels()[1]:
        label = "_"  # matplotlib's way to leave it out of the legend
    style = "-" if course.complete else "--"
    axes.plot(*course.neg_elbo, color=colour, linestyle=style, linewidth=1.3, label=label)


def _fit(axes: Axes, courses: Sequence[Series]) -> None:
    """Show what comes after the first steps, which would press everything else flat."""
    _steps(axes)
    last = max((step for series in courses for step in series.steps), default=0)
    late = [
        value
        for steps, values in courses
        for step, value in zip(steps, values, strict=True)
        if step >= START * last
    ]
    if late and min(late) < max(late):
        margin = 0.05 * (max(late) - min(late))
        axes.set_ylim(min(late) - margin, max(late) + margin)


def _steps(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0)
