"""−ELBO, gap and NLL against the number of transforms, as in figure 4 of Rezende & Mohamed 2015."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nfvae.experiments.errors import one_line
from nfvae.experiments.figures.style import INK, LINE_COLOURS, MARKERS, NORMAL, SMALL, style_axes
from nfvae.experiments.tables import PUBLISHED, Cell, Published
from nfvae.experiments.tables.cells import Quantity
from nfvae.experiments.tables.published import number

PANELS: dict[Quantity, str] = {
    "neg_elbo": "−ELBO (nats)",
    "gap": "gap = −ELBO − NLL (nats)",
    "nll": "NLL (nats)",
}
Style = Mapping[str, Any]  # matplotlib's options of a line
Group = tuple[str | None, str]  # protocol and variant, whose cells share a line style

DASHES = ("-", "--", "-.")  # of the groups; published values are dotted
GAUSSIAN: Style = {
    "color": "0.15",
    "marker": "o",
    "linestyle": "none",
    "zorder": 3,
    "markersize": 6.5,
}
BAR: Style = {"color": "0.3", "marker": "|", "linestyle": "none", "markersize": 10}
PUBLISHED_STYLE: Style = {"linestyle": ":", "marker": "", "linewidth": 1.5}
MARGIN = 0.05  # beyond the outermost value, as a fraction of the range
MAX_EXTENSION = 2.0  # largest extension of the vertical axis, as a fraction of the measured range


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
    curves = _curves(cells)
    if all(len(curve) == 1 for curve in curves.values()):
        return None
    gaussians = {(cell.protocol, cell.variant): cell for cell in cells if cell.flow == "none"}
    styles = {flow: _style(i) for i, flow in enumerate(sorted({flow for _, flow in curves}))}
    groups = list(dict.fromkeys((cell.protocol, cell.variant) for cell in cells))
    dashes = {group: DASHES[i % len(DASHES)] for i, group in enumerate(groups)}
    sources = [source for source in published if any(map(source.compares_with, cells))]
    panels = [quantity for quantity in PANELS if any(cell.estimate(quantity) for cell in cells)]

    figure = Figure(figsize=(0.6 + 3.0 * len(panels), 3.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, quantity in zip(all_axes, panels, strict=True):
        for (group, flow), curve in curves.items():
            if len(curve) > 1 and group in gaussians:
                curve = [gaussians[group], *curve]
            _draw_measured(axes, curve, quantity, {**styles[flow], "linestyle": dashes[group]})
        for cell in gaussians.values():
            _draw_measured(axes, [cell], quantity, GAUSSIAN)
        _draw_published(axes, sources, quantity, styles)
        style_axes(axes, "K, number of transforms", "")
        axes.set_title(PANELS[quantity], fontsize=NORMAL, color=INK)
    handles = _legend(styles, dashes, sources, has_gaussian=bool(gaussians))
    if any(len(cell.runs) > 1 for cell in cells):
        handles.append(Line2D([], [], label="± std over seeds", **BAR))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5 if len(panels) > 1 else 2,
        fontsize=SMALL + 1,
        frameon=False,
    )
    return figure


def _curves(cells: Iterable[Cell]) -> dict[tuple[Group, str], list[Cell]]:
    """(group, flow) -> cells in ascending order of K, without the diagonal Gaussian."""
    curves = defaultdict(list)
    for cell in cells:
        if cell.flow != "none":
            curves[(cell.protocol, cell.variant), cell.flow].append(cell)
    return dict(curves)


def _style(i: int) -> Style:
    """Colour and marker of the i-th flow; the first 42 pairs are different."""
    return {"color": LINE_COLOURS[i % len(LINE_COLOURS)], "marker": MARKERS[i % len(MARKERS)]}


def _draw_measured(axes: Axes, curve: Iterable[Cell], quantity: Quantity, style: Style) -> None:
    points = [(cell.K, e) for cell in curve if (e := cell.estimate(quantity)) is not None]
    axes.errorbar(
        [K for K, _ in points],
        [estimate.mean for _, estimate in points],
        yerr=[estimate.std or 0 for _, estimate in points],
        **{"capsize": 2.5, "elinewidth": 1, "linewidth": 1.4, "markersize": 5, **style},
    )


def _draw_published(
    axes: Axes, sources: Iterable[Published], quantity: Quantity, styles: Mapping[str, Style]
) -> None:
    """Draw the published values of the measured flows, and extend the vertical axis for them."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    in_sight = [low, high]
    for source in sources:
        for flow, style in styles.items():
            points = {
                K: number(values[quantity])
                for (name, K), values in sorted(source.values.items(), key=lambda item: item[0][1])
                if name in (flow, "none") and quantity in values
            }
            if len(points) > 1:  # more than the Gaussian that all flows share
                axes.plot([*points], [*points.values()], color=style["color"], **PUBLISHED_STYLE)
                in_sight += [value for K, value in points.items() if left <= K <= right]
    room, margin = MAX_EXTENSION * (high - low), MARGIN * (max(in_sight) - min(in_sight))
    axes.set_xlim(left, right)
    axes.set_ylim(
        max(low - room, min(low, min(in_sight) - margin)),
        min(high + room, max(high, max(in_sight) + margin)),
    )


def _legend(
    styles: Mapping[str, Style],
    dashes: Mapping[Group, str],
    sources: Iterable[Published],
    has_gaussian: bool,
) -> list[Artist]:
    """Entries for flows (colour and marker), several groups (line style), and published values."""

    def handle(label: str, **style: Any) -> Artist:
        return Line2D([], [], label=label, **style)

    handles = [handle("none (K = 0)", **GAUSSIAN)] if has_gaussian else []
    handles += [handle(flow, **style) for flow, style in styles.items()]
    if len(dashes) > 1:
        for (protocol, variant), dash in dashes.items():
            name = f"protocol {protocol}" if protocol else "no protocol"
            label = one_line(f"{name}, {variant}" if variant else name).replace("$", r"\$")
            handles.append(handle(label, color="0.3", linestyle=dash))
    return handles + [handle(source.label, color="0.3", **PUBLISHED_STYLE) for source in sources]
