"""Figures show the values they are given, with labels and units."""

import torch
from matplotlib.colors import to_hex, to_rgb

from nfvae.experiments.figures.bars import activity_figure, log_det_figure
from nfvae.experiments.figures.curves import (
    BoundCurve,
    bound_figure,
    sweep_figure,
    terms_figure,
    units_figure,
)
from nfvae.experiments.figures.plane import plane_figure
from nfvae.experiments.figures.style import ordered_colours, pixels
from nfvae.experiments.storage.history import Series

STEPS = list(range(100, 1100, 100))
FALLING = Series(STEPS, [100 - i for i in range(10)])


def lines(figure):
    (axes,) = figure.axes
    return {line.get_label(): line for line in axes.lines}


def test_bound_shows_both_curves_in_the_range_of_the_late_steps():
    train = Series([1, *STEPS], [500.0, *(101.0 - i for i in range(10))])
    figure = bound_figure(train, FALLING)
    drawn = lines(figure)
    assert list(drawn["validation"].get_ydata()) == FALLING.values
    assert list(drawn["training batches"].get_xdata()) == train.steps
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low < 91
    assert 101 < high < 110  # the 500 of the first step is out of the picture
    assert axes.get_ylabel() == "−ELBO (nats per image)"
    assert axes.get_xlabel() == "training steps"


def test_a_curve_of_one_point_or_none_can_be_drawn():
    for series in (Series([100], [5.0]), Series([], [])):
        assert len(pixels(bound_figure(Series([], []), series)))


def test_terms_differ_in_colour_and_marker():
    drawn = lines(terms_figure(dict.fromkeys(("distortion", "KL", "Σ log-det"), FALLING)))
    assert list(drawn) == ["distortion", "KL", "Σ log-det"]
    assert len({(line.get_color(), line.get_marker()) for line in drawn.values()}) == 3


def test_units_axis_includes_all_units():
    (axes,) = units_figure(Series(STEPS, [3.0] * 10), latent_dim=40).axes
    assert axes.get_ylim()[1] > 40


def test_sweep_shares_a_colour_among_seeds_and_dashes_incomplete_runs():
    curves = [
        BoundCurve(4, FALLING, True),
        BoundCurve(16, FALLING, False),
        BoundCurve(4, FALLING, True),
    ]
    figure = sweep_figure(curves, gaussian=[BoundCurve(0, FALLING, True)], split="training")
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["no flow (K = 0)", "K = 4", "K = 16"]
    of_4 = [line for line in axes.lines if to_hex(line.get_color()) == ordered_colours(2)[0]]
    assert len(of_4) == 2
    assert [line.get_linestyle() for line in axes.lines] == ["-", "-", "-", "--"]


def test_ordered_colours_go_from_light_to_dark_for_any_count():
    for count in range(1, 10):
        lightness = [sum(to_rgb(colour)) for colour in ordered_colours(count)]
        assert len(set(lightness)) == count
        assert lightness == sorted(lightness, reverse=True)


def test_one_bar_per_step():
    (axes,) = log_det_figure([0.5, -1.25, 0.0]).axes
    assert [bar.get_height() for bar in axes.patches] == [0.5, -1.25, 0.0]
    assert axes.get_ylabel() == "log |det| (nats)"


def test_activity_descends_and_survives_estimates_below_zero():
    (axes,) = activity_figure([0.2, -0.001, 0.9], threshold=0.01).axes
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert tops == sorted(tops, reverse=True)
    assert abs(tops[0] - 0.9) < 1e-9
    assert axes.get_yscale() == "log"
    assert list(lines(axes.figure)["active above 0.01"].get_ydata()) == [0.01, 0.01]


def test_points_of_a_plane_are_drawn_as_their_digit():
    z, labels = torch.randn(30, 2), torch.arange(30) % 3
    (axes,) = plane_figure(z, labels).axes
    drawn = [torch.as_tensor(group.get_offsets()).float() for group in axes.collections]
    assert len(drawn) == 3
    for digit, points in enumerate(drawn):
        assert torch.equal(points, z[labels == digit])
    assert len({group.get_facecolor().tobytes() for group in axes.collections}) == 3
    many = plane_figure(z, torch.arange(30) + 90)  # as of Caltech 101
    assert len(many.axes[0].collections) == 30
    (axes,) = plane_figure(z, None).axes
    assert torch.equal(torch.as_tensor(axes.collections[0].get_offsets()).float(), z)


def test_a_curve_of_one_point_has_a_marker():
    one, none = Series([100], [5.0]), Series([], [])
    for figure in (
        bound_figure(one, none),
        terms_figure({"KL": one}),
        units_figure(one, 40),
        sweep_figure([BoundCurve(4, one, False)], [BoundCurve(0, one, True)], "training"),
    ):
        points = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
        assert points
        assert all(line.get_marker() == "o" for line in points)
    (line,) = sweep_figure([BoundCurve(4, FALLING, True)], [], "training").axes[0].lines
    assert line.get_marker() in ("", "None")
