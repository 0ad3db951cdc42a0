"""All cells as CSV, with every digit, for further work."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from nfvae.experiments.tables.cells import Cell
from nfvae.experiments.tables.layout import HEADS
from nfvae.experiments.tables.published import PUBLISHED, Published

Value = str | int | float | None


def csv_text(cells: Iterable[Cell], published: Sequence[Published] = PUBLISHED) -> str:
    """One row a cell. Numbers read back exactly; what there is not is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [dict(_row(cell, published)) for cell in cells]
    writer.writerow(rows[0] if rows else [])
    writer.writerows(row.values() for row in rows)
    return text.getvalue()


def _row(cell: Cell, published: Sequence[Published]) -> Iterator[tuple[str, Value]]:
    """Names end in _mean and _std (over seeds), _se (over images, averaged over seeds)."""
    yield from cell.conditions._asdict().items()
    yield "protocol", cell.protocol
    yield "flow", cell.flow
    yield "K", cell.K
    yield "n", len(cell.runs)
    yield "seeds", " ".join(map(str, cell.seeds))
    for quantity in HEADS:
        estimate = cell.estimate(quantity)
        yield f"{quantity}_mean", None if estimate is None else estimate.mean
        yield f"{quantity}_std", None if estimate is None else estimate.std
    yield "neg_elbo_se", cell.standard_error("neg_elbo")
    yield "nll_se", cell.standard_error("nll")
    yield "steps_min", cell.steps[0]
    yield "steps_max", cell.steps[1]
    yield "num_parameters", cell.num_parameters
    for source in published:
        values = source.values.get((cell.flow, cell.K), {}) if source.fits(cell.conditions) else {}
        for quantity in source.digits:
            yield f"{source.key}_{quantity}", values.get(quantity)
