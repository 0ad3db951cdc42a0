"""The content of a table as plain text, independent of Markdown and LaTeX."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nfvae.experiments.tables.cells import Cell, Estimate, Quantity
from nfvae.experiments.tables.published import PUBLISHED, Published
from nfvae.experiments.tables.results import BERNOULLI, Conditions
from nfvae.experiments.tables.settings import describe_settings

QUANTITY_NAMES: dict[Quantity, str] = {
    "neg_elbo": "−ELBO",
    "nll": "NLL",
    "gap": "gap",
    "kl": "KL",
    "active_units": "active units",
}
NOTHING = "–"
DATA_NAMES = {"mnist": "MNIST"}


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        source: label of the publication; "" for values measured here.
        head: the column's heading.
        entries: one text per row.
        is_text: whether entries are words, not numbers.
    """

    source: str
    head: str
    entries: tuple[str, ...]
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """Cells under one set of conditions.

    Attributes:
        caption: the conditions, the units and what ± means.
        columns: columns of the same length.
        notes: the settings of each protocol, and the sources of published values. In notes and
            caption, `backticks` mark command-line text.
    """

    conditions: Conditions
    caption: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def make_tables(cells: Iterable[Cell], published: Sequence[Published] = PUBLISHED) -> list[Table]:
    """One table for each set of conditions; numbers of different tables are not comparable.

    Args:
        cells: cells in the order of `make_cells`.
        published: sources; each is shown if it has a value for a comparable cell.
    """
    return [
        _table(conditions, list(group), published)
        for conditions, group in groupby(cells, key=lambda cell: cell.conditions)
    ]


def _table(conditions: Conditions, cells: list[Cell], published: Sequence[Published]) -> Table:
    sources = [source for source in published if any(source.values_for(cell) for cell in cells)]
    protocols = list(dict.fromkeys(cell.protocol for cell in cells))

    def column(head: str, entry: Callable[[Cell], str], is_text: bool = False) -> Column:
        return Column("", head, tuple(map(entry, cells)), is_text)

    columns = [column("flow", lambda cell: cell.flow, True), column("K", lambda cell: str(cell.K))]
    if len(protocols) > 1:
        columns.insert(0, column("protocol", lambda cell: cell.protocol or NOTHING, True))
    columns.append(column("variant", lambda cell: cell.variant or NOTHING, True))
    columns += [_measured(quantity, cells) for quantity in QUANTITY_NAMES]
    columns += [column("updates", _updates), column("n", lambda cell: str(len(cell.runs)))]
    columns += [
        _published(source, quantity, cells) for source in sources for quantity in source.digits
    ]
    notes = [
        ("Settings" if protocol is None else f"Protocol {protocol}")
        + ": "
        + describe_settings(run for cell in cells if cell.protocol == protocol for run in cell.runs)
        for protocol in protocols
    ]
    notes += [f"{source.label}: {source.protocol}" for source in sources]
    return Table(
        conditions,
        _caption(conditions, cells),
        tuple(column for column in columns if set(column.entries) != {NOTHING}),
        tuple(f"{note}." for note in notes),
    )


def _caption(conditions: Conditions, cells: Sequence[Cell]) -> str:
    data, num_samples = conditions.data, conditions.num_importance_samples
    likelihood = conditions.likelihood
    sentences = [
        f"{DATA_NAMES.get(data, data)}, {conditions.training_data}, "
        + (f"{likelihood} likelihood, " if likelihood != BERNOULLI else "")
        + f"{conditions.split} split, {conditions.latent_dim} latents"
    ]
    if num_samples:
        sentences[0] += f"; NLL by importance sampling with S = {num_samples:,}"
    if any(len(cell.runs) > 1 for cell in cells):
        sentences.append(
            "In nats per image: mean ± sample standard deviation over n training seeds"
        )
    else:
        sentences.append("In nats per image, one run per row")
    if num_samples:
        sentences.append(
            "gap = −ELBO − NLL estimates KL(q(z|x) ‖ p(z|x)) from below; KL is to the prior"
        )
    return "".join(f"{sentence}. " for sentence in sentences).rstrip()


def _measured(quantity: Quantity, cells: Iterable[Cell]) -> Column:
    is_count = quantity == "active_units"
    entries = (_entry(cell.estimate(quantity), 1 if is_count else 2, is_count) for cell in cells)
    return Column("", QUANTITY_NAMES[quantity], tuple(entries))


def _entry(estimate: Estimate | None, digits: int, is_count: bool) -> str:
    """Mean ± deviation; a count of a single run is a whole number."""
    if estimate is None:
        return NOTHING
    if estimate.std is None:
        return f"{estimate.mean:.{0 if is_count else digits}f}"
    return f"{estimate.mean:.{digits}f} ± {estimate.std:.{digits}f}"


def _updates(cell: Cell) -> str:
    return "–".join(f"{steps:,}" for steps in dict.fromkeys(cell.steps))


def _published(source: Published, quantity: Quantity, cells: Iterable[Cell]) -> Column:
    def entry(cell: Cell) -> str:
        value = source.values_for(cell).get(quantity)
        return NOTHING if value is None else f"{value:.{source.digits[quantity]}f}"

    return Column(source.label, QUANTITY_NAMES[quantity], tuple(map(entry, cells)))
