"""Time of a flow as a function of each of its sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from nfvae.experiments.figures.style import LINE_COLOURS, SMALL, style_axes

AXES = {
    "K": "K, transforms",
    "D": "D, latent dimension",
    "B": "B, images",
    "S": "S, samples per image (forward)",
}
LINES = {"nfvae": "whole stack", "loop": "loop over transforms"}


def scaling_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel per size: milliseconds against the size, on logarithmic axes.

    Args:
        rows: each has the sizes "K", "D", "B" and "S", the name of the size that varies as "axis",
            and a time for each key of `LINES`.
    """
    figure = Figure(figsize=(3.0 * len(AXES), 2.8), layout="constrained")
    panels = figure.subplots(1, len(AXES), sharey=True)
    for panel, (axis, x_label) in zip(panels, AXES.items(), strict=True):
        along = [row for row in rows if row["axis"] == axis]
        for (name, label), colour in zip(LINES.items(), LINE_COLOURS, strict=False):
            sizes, times = [row[axis] for row in along], [row[name] for row in along]
            panel.loglog(sizes, times, "o-", color=colour, markersize=3, linewidth=1.2, label=label)
        style_axes(panel, x_label, "time, ms" if panel is panels[0] else "")
    panels[0].legend(fontsize=SMALL, frameon=False)
    return figure
