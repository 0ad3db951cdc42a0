"""−ELBO, gap and NLL against the number of flow steps, as in figure 4 of Rezende & Mohamed 2015."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nfvae.experiments.figures.style import INK, LINE_COLOURS, MARKERS, NORMAL, SMALL, dress
from nfvae.experiments.tables import PUBLISHED, Cell, Published
from nfvae.experiments.tables.cells import Quantity

PANELS: dict[Quantity, str] = {
    "neg_elbo": "−ELBO (nats)",
    "gap": "gap = −ELBO − NLL (nats)",
    "nll": "NLL (nats)",
}
Look = Mapping[str, Any]  # what matplotlib takes to draw a line

DASHES = ("-", "--", "-.")  # one a protocol; dots are for what was published
GAUSSIAN: Look = {
    "color": "0.15",
    "marker": "o",
    "linestyle": "none",
    "zorder": 3,
    "markersize": 6.5,
}
BAR: Look = {"color": "0.3", "marker": "|", "linestyle": "none", "markersize": 10}
PUBLISHED_LOOK: Look = {"linestyle": ":", "marker": "", "linewidth": 1.5}


def length_figure(
    cells: Sequence[Cell], published: Sequence[Published] = PUBLISHED
) -> Figure | None:
    """One line a flow, with bars of one standard deviation over seeds where n > 1.

    Lines start at the diagonal Gaussian, which is any flow with K = 0. Published values are dotted,
    in their flow's colour. Where no NLL was measured there is only the first panel.

    Args:
        cells: of one set of conditions, in the order of `make_cells`.
        published: drawn where they fit: same data, test split and latent dimension.

    Returns:
        None if no flow was measured with several K under one protocol: there is no curve.
    """
    curves = _curves(cells)
    if all(len(curve) == 1 for curve in curves.values()):
        return None
    gaussians = {cell.protocol: cell for cell in cells if cell.flow == "none"}
    looks = {flow: _look(i) for i, flow in enumerate(sorted({flow for _, flow in curves}))}
    protocols = list(dict.fromkeys(cell.protocol for cell in cells))
    dashes = {protocol: DASHES[i % len(DASHES)] for i, protocol in enumerate(protocols)}
    sources = [source for source in published if source.fits(cells[0].conditions)]
    panels = [quantity for quantity in PANELS if any(cell.estimate(quantity) for cell in cells)]

    figure = Figure(figsize=(0.6 + 3.0 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, quantity in zip(axes, panels, strict=True):
        for source, flow in product(sources, looks):
            _draw_published(axis, source, flow, quantity, looks[flow])
        for (protocol, flow), curve in curves.items():
            if len(curve) > 1 and protocol in gaussians:
                curve = [gaussians[protocol], *curve]
            _draw_measured(axis, curve, quantity, {**looks[flow], "linestyle": dashes[protocol]})
        for cell in gaussians.values():
            _draw_measured(axis, [cell], quantity, GAUSSIAN)
        dress(axis, "K, steps of the flow", "")
        axis.set_title(PANELS[quantity], fontsize=NORMAL, color=INK)
    handles = _legend(looks, dashes, sources, has_gaussian=bool(gaussians))
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


def _curves(cells: Iterable[Cell]) -> dict[tuple[str | None, str], list[Cell]]:
    """(protocol, flow) -> cells in ascending K; without the diagonal Gaussian."""
    curves = defaultdict(list)
    for cell in cells:
        if cell.flow != "none":
            curves[cell.protocol, cell.flow].append(cell)
    return dict(curves)


def _look(i: int) -> Look:
    """Colour and marker both tell flows apart; so many pairs that none comes twice."""
    return {"color": LINE_COLOURS[i % len(LINE_COLOURS)], "marker": MARKERS[i % len(MARKERS)]}


def _draw_measured(axis: Axes, curve: Iterable[Cell], quantity: Quantity, look: Look) -> None:
    points = [(cell.K, e) for cell in curve if (e := cell.estimate(quantity)) is not None]
    axis.errorbar(
        [K for K, _ in points],
        [estimate.mean for _, estimate in points],
        yerr=[estimate.std or 0 for _, estimate in points],
        **{"capsize": 2.5, "elinewidth": 1, "linewidth": 1.4, "markersize": 5, **look},
    )


def _draw_published(
    axis: Axes, source: Published, flow: str, quantity: Quantity, look: Look
) -> None:
    points = {
        K: values[quantity]
        for (name, K), values in source.values.items()
        if name in (flow, "none") and quantity in values
    }
    if len(points) > 1:  # more than the Gaussian that all flows share
        lengths = sorted(points)
        axis.plot(lengths, [points[K] for K in lengths], color=look["color"], **PUBLISHED_LOOK)


def _legend(
    looks: Mapping[str, Look],
    dashes: Mapping[str | None, str],
    sources: Iterable[Published],
    has_gaussian: bool,
) -> list[Artist]:
    """Flows by colour and marker; protocols by dashes where there are several; sources by dots."""

    def handle(label: str, **look: Any) -> Artist:
        return Line2D([], [], label=label, **look)

    handles = [handle("none (K = 0)", **GAUSSIAN)] if has_gaussian else []
    handles += [handle(flow, **look) for flow, look in looks.items()]
    if len(dashes) > 1:
        handles += [
            handle(
                f"protocol {protocol}" if protocol else "no protocol", color="0.3", linestyle=dash
            )
            for protocol, dash in dashes.items()
        ]
    return handles + [handle(source.label, color="0.3", **PUBLISHED_LOOK) for source in sources]
