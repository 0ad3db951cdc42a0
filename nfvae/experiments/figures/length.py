"""−ELBO, gap and NLL against the number of transforms, as in figure 4 of Rezende & Mohamed 2015."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nfvae.experiments.errors import one_line
from nfvae.experiments.figures.style import INK, LINE_COLOURS, MARKERS, NORMAL, SMALL, style_axes
from nfvae.experiments.tables.cells import Cell, Quantity
from nfvae.experiments.tables.published import PUBLISHED, Published, number
from nfvae.experiments.tables.results import Conditions

PANELS: dict[Quantity, str] = {
    "neg_elbo": "−ELBO (nats)",
    "gap": "gap = −ELBO − NLL (nats)",
    "nll": "NLL (nats)",
}
Style = dict[str, Any]  # matplotlib's options of a line
Dash = str | tuple[int, tuple[int, ...]]

DASHES = ("-", "--", "-.")  # of protocols and variants
PUBLISHED_DASHES: tuple[Dash, ...] = (":", (0, (1, 4)))  # of sources
GAUSSIAN: Style = {
    "color": "0.15",
    "marker": "o",
    "linestyle": "none",
    "zorder": 3,
    "markersize": 6.5,
}
MARGIN = 0.05  # beyond the outermost value, as a fraction of the range
MAX_EXTENSION = 2.0  # largest extension of the vertical axis, as a fraction of the measured range


def length_figures(
    cells: Iterable[Cell], published: Sequence[Published] = PUBLISHED
) -> Iterator[tuple[Conditions, Figure]]:
    """(conditions, figure) for each set of conditions in which K varies; cells in order."""
    for conditions, group in groupby(cells, key=lambda cell: cell.conditions):
        if figure := length_figure(list(group), published):
            yield conditions, figure


def length_figure(
    cells: Sequence[Cell], published: Sequence[Published] = PUBLISHED
) -> Figure | None:
    """One line per flow, with bars of one standard deviation over seeds where n > 1.

    Lines start at the diagonal Gaussian, flow=none. Published values are dotted, in their flow's
    colour. Measured values determine the axes; the vertical axis is extended by up to
    MAX_EXTENSION times its length to show published values. Without an NLL there is only the first
    panel.

    Args:
        cells: cells of one set of conditions, in the order of `make_cells`.
        published: drawn if they are comparable with a cell.

    Returns:
        None if no flow was measured with several K under one protocol, so there is no curve.
    """
    curves = defaultdict(list)  # by protocol, variant and flow; in ascending order of K
    gaussians = {}
    for cell in cells:
        if cell.flow == "none":
            gaussians[cell.protocol, cell.variant] = cell
        else:
            curves[(cell.protocol, cell.variant), cell.flow].append(cell)
    if all(len(curve) == 1 for curve in curves.values()):
        return None
    flows = sorted({flow for _, flow in curves})
    styles: dict[str, Style] = {
        flow: {"color": colour, "marker": marker}
        for flow, colour, marker in zip(flows, cycle(LINE_COLOURS), cycle(MARKERS), strict=False)
    }
    groups = list(dict.fromkeys((cell.protocol, cell.variant) for cell in cells))
    dashes = dict(zip(groups, cycle(DASHES), strict=False))
    drawn = [
        source
        for source in published
        if any(map(source.compares_with, cells)) and {flow for flow, _ in source.values} & {*flows}
    ]
    sources = list(zip(drawn, cycle(PUBLISHED_DASHES), strict=False))
    panels = [quantity for quantity in PANELS if any(cell.estimate(quantity) for cell in cells)]

    figure = Figure(figsize=(0.6 + 3.0 * len(panels), 3.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, quantity in zip(all_axes, panels, strict=True):
        for (group, flow), curve in curves.items():
            start = [gaussians[group]] if len(curve) > 1 and group in gaussians else []
            _draw(axes, [*start, *curve], quantity, styles[flow] | {"linestyle": dashes[group]})
        for cell in gaussians.values():
            _draw(axes, [cell], quantity, GAUSSIAN)
        _draw_published(axes, sources, quantity, styles)
        style_axes(axes, "K, number of transforms", "")
        axes.set_title(PANELS[quantity], fontsize=NORMAL, color=INK)

    entries: dict[str, Style] = {"none (K = 0)": GAUSSIAN} if gaussians else {}
    entries |= styles
    if len(groups) > 1:
        for (protocol, variant), dash in dashes.items():
            name = f"protocol {protocol}" if protocol else "no protocol"
            label = one_line(f"{name}, {variant}" if variant else name).replace("$", r"\$")
            entries[label] = {"color": "0.3", "linestyle": dash}
    entries |= {source.label: _published_style(dash, "0.3") for source, dash in sources}
    if any(len(cell.runs) > 1 for cell in cells):
        bar = {"color": "0.3", "marker": "|", "linestyle": "none", "markersize": 10}
        entries["± std over seeds"] = bar
    figure.legend(
        handles=[Line2D([], [], label=label, **style) for label, style in entries.items()],
        loc="outside lower center",
        ncols=5 if len(panels) > 1 else 2,
        fontsize=SMALL + 1,
        frameon=False,
    )
    return figure


def _draw(axes: Axes, curve: Iterable[Cell], quantity: Quantity, style: Style) -> None:
    points = [(cell.K, e) for cell in curve if (e := cell.estimate(quantity)) is not None]
    axes.errorbar(
        [K for K, _ in points],
        [estimate.mean for _, estimate in points],
        yerr=[estimate.std or 0 for _, estimate in points],
        **{"capsize": 2.5, "elinewidth": 1, "linewidth": 1.4, "markersize": 5, **style},
    )


def _published_style(dash: Dash, colour: str) -> Style:
    return {"linestyle": dash, "color": colour, "marker": "", "linewidth": 1.5}


def _draw_published(
    axes: Axes,
    sources: Iterable[tuple[Published, Dash]],
    quantity: Quantity,
    styles: Mapping[str, Style],
) -> None:
    """Draw the published values of the measured flows, and extend the vertical axis for them."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    in_sight = [low, high]
    for source, dash in sources:
        for flow, style in styles.items():
            points = {
                K: number(values[quantity])
                for (name, K), values in sorted(source.values.items(), key=lambda item: item[0][1])
                if name in (flow, "none") and quantity in values
            }
            if len(points) > 1:  # more than the Gaussian that all flows share
                line = _published_style(dash, style["color"])
                axes.plot([*points], [*points.values()], **line)
                in_sight += [value for K, value in points.items() if left <= K <= right]
    room, margin = MAX_EXTENSION * (high - low), MARGIN * (max(in_sight) - min(in_sight))
    axes.set_xlim(left, right)
    axes.set_ylim(
        max(low - room, min(low, min(in_sight) - margin)),
        min(high + room, max(high, max(in_sight) + margin)),
    )
