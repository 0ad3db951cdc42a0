"""The figure against K, read back from its lines."""

import pytest

from nfvae.experiments.figures.length import length_figure
from nfvae.experiments.figures.style import pixels
from nfvae.experiments.tables.cells import make_cells
from nfvae.experiments.tables.collect import collect
from nfvae.experiments.tables.published import PUBLISHED

LENGTHS = {("none", 0): 94.0, ("planar", 10): 92.0, ("planar", 20): 91.0}


@pytest.fixture
def cells_of(write_run, tmp_path):
    def make(lengths=LENGTHS, **changes):
        for (flow, K), neg_elbo in lengths.items():
            for seed, shift in enumerate((-1, 1)):
                name = f"{flow}{K}seed{seed}{changes.get('protocol')}"
                changed = {"neg_elbo": neg_elbo + shift, "nll": 86.0} | changes
                write_run(name, flow=flow, K=K, seed=seed, **changed)
        return make_cells(collect([tmp_path]).runs)

    return make


def lines(axis):
    return [[tuple(point) for point in line.get_xydata()] for line in axis.lines]


def test_three_panels_with_lines_from_the_gaussian_and_bars(cells_of):
    figure = length_figure(cells_of(), published=[])
    titles = ["−ELBO (nats)", "gap = −ELBO − NLL (nats)", "NLL (nats)"]
    assert [axis.get_title() for axis in figure.axes] == titles
    elbo, gap, nll = figure.axes
    assert [(0, 94), (10, 92), (20, 91)] in lines(elbo)
    assert [(0, 8), (10, 6), (20, 5)] in lines(gap)
    assert [(0, 86), (10, 86), (20, 86)] in lines(nll)
    ends = [segment[:, 1] for segment in elbo.collections[0].get_segments()]
    assert [top - bottom for bottom, top in ends] == pytest.approx([2 * 2**0.5] * 3)


def test_published_values_are_dotted_in_their_flows_colour(cells_of):
    figure = length_figure(cells_of())
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    values = PUBLISHED[0].values
    wanted = [
        (K, float(values[flow, K]["neg_elbo"])) for flow, K in values if flow in ("none", "planar")
    ]
    (line,) = dotted
    assert [tuple(point) for point in line.get_xydata()] == wanted
    (planar,) = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert line.get_color() == planar.get_color()


def test_flows_and_protocols_have_distinct_styles(cells_of):
    other = {("radial", 10): 93.0, ("radial", 20): 92.0}
    cells_of(protocol="ours")
    figure = length_figure(cells_of(LENGTHS | other, protocol="paper"), published=[])
    styles = [
        (line.get_color(), line.get_marker(), line.get_linestyle())
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 3 and line.get_linestyle() != "None"
    ]
    assert len(styles) == len(set(styles)) == 3
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "none (K = 0)",
        "planar",
        "radial",
        "protocol ours",
        "protocol paper",
        "± std over seeds",
    ]


def test_without_an_nll_there_is_one_panel(cells_of):
    cells = cells_of(nll=None, nll_se=None, num_importance_samples=0)
    assert [axis.get_title() for axis in length_figure(cells).axes] == ["−ELBO (nats)"]


@pytest.mark.parametrize("lengths", [[("none", 0)], [("none", 0), ("planar", 10), ("radial", 20)]])
def test_no_figure_where_no_flow_has_several_lengths(cells_of, lengths):
    assert length_figure(cells_of(dict.fromkeys(lengths, 90.0))) is None


def test_measured_values_set_the_axes(cells_of):
    """Published −ELBO at K = 0 is 96.74, far above 90 ± 0.1."""
    cells = cells_of({("none", 0): 90.0, ("planar", 2): 90.1, ("planar", 4): 89.9})
    alone, both = length_figure(cells, []), length_figure(cells)
    for before, after in zip(alone.axes, both.axes, strict=True):
        assert before.get_xlim() == after.get_xlim()
        (low, high), (lowest, highest) = before.get_ylim(), after.get_ylim()
        assert low - 2.001 * (high - low) <= lowest <= low
        assert high <= highest <= high + 2.001 * (high - low)


@pytest.mark.parametrize("other", [{"binarization": "dynamic"}, {"steps": 2000}])
def test_published_values_of_other_conditions_are_not_drawn(cells_of, other):
    figure = length_figure(cells_of(**other))
    assert all(line.get_linestyle() != ":" for line in figure.axes[0].lines)
    assert "R&M 2015" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_variants_are_separate_lines(write_run, tmp_path):
    for lr in (0.001, 0.002):
        for flow, K in LENGTHS:
            config = {"optim": {"lr": lr, "decay": f"$\\frac{lr}$"}}  # not a formula
            write_run(f"{flow}{K}{lr}", config, flow=flow, K=K, neg_elbo=90 + lr)
    cells = make_cells(collect([tmp_path]).runs)
    figure = length_figure(cells, published=[])
    assert [(K, 90.001) for K in (0, 10, 20)] in lines(figure.axes[0])
    assert [(K, 90.002) for K in (0, 10, 20)] in lines(figure.axes[0])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert r"protocol ours, optim.decay=\$\frac0.002\$ optim.lr=0.002" in labels
    assert len(pixels(figure))
