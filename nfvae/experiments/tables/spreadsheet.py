"""All cells as CSV, with every digit, for further processing."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from nfvae.experiments.tables.cells import Cell
from nfvae.experiments.tables.layout import QUANTITY_NAMES
from nfvae.experiments.tables.published import PUBLISHED, Published, number
from nfvae.experiments.tables.results import BERNOULLI

Value = str | int | float | None


def csv_text(cells: Iterable[Cell], published: Sequence[Published] = PUBLISHED) -> str:
    """One row per cell. Numbers have all digits; missing ones are empty.

    Columns without any value are left out, and the likelihood if it is always Bernoulli.
    """
    text = io.StringIO()
    rows = [dict(_row(cell, published)) for cell in cells]
    usual = {"likelihood": BERNOULLI}
    names = {
        name: None
        for row in rows
        for name, value in row.items()
        if value not in (None, "", usual.get(name))
    }
    in_order = [name for name in (rows[0] if rows else ()) if name in names]
    writer = csv.DictWriter(text, in_order, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(cell: Cell, published: Sequence[Published]) -> Iterator[tuple[str, Value]]:
    """(column, value). _mean and _std are over seeds, _se is over images, averaged over seeds."""
    yield from cell.conditions._asdict().items()
    yield "protocol", cell.protocol
    yield "flow", cell.flow
    yield "K", cell.K
    yield "variant", cell.variant
    yield "n", len(cell.runs)
    yield "seeds", " ".join(map(str, cell.seeds))
    for quantity in QUANTITY_NAMES:
        estimate = cell.estimate(quantity)
        yield f"{quantity}_mean", None if estimate is None else estimate.mean
        yield f"{quantity}_std", None if estimate is None else estimate.std
    yield "neg_elbo_se", cell.standard_error("neg_elbo")
    yield "nll_se", cell.standard_error("nll")
    yield "steps_min", cell.steps[0]
    yield "steps_max", cell.steps[1]
    yield "train_seconds_mean", cell.train_seconds
    yield "num_parameters", cell.first.num_parameters
    for source in published:
        values = source.values_for(cell)
        for quantity in source.quantities:
            printed = values.get(quantity)
            yield f"{source.key}_{quantity}", None if printed is None else number(printed)
