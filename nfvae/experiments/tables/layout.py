"""The content of a table as plain text, independent of Markdown and LaTeX."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nfvae.experiments.tables.cells import Cell, Estimate, Quantity
from nfvae.experiments.tables.published import PUBLISHED, Published
from nfvae.experiments.tables.results import Conditions
from nfvae.experiments.tables.settings import describe_settings

QUANTITY_NAMES: dict[Quantity, str] = {
    "neg_elbo": "−ELBO",
    "nll": "NLL",
    "gap": "gap",
    "neg_elbo_bits_per_dim": "−ELBO, bits/dim",
    "bits_per_dim": "NLL, bits/dim",
    "kl": "KL",
    "active_units": "active units",
}
DIGITS: dict[Quantity, int] = {"neg_elbo_bits_per_dim": 3, "bits_per_dim": 3, "active_units": 1}
NOTHING = "–"
UNLIKE = "†"  # marks published values that are not like for like


@dataclass(frozen=True)
class Column:
    """A column: a heading and one text per row."""

    source: str
    """Label of the publication; "" for values measured here."""
    head: str
    entries: tuple[str, ...]
    is_text: bool = False
    """Whether entries are words, not numbers."""


@dataclass(frozen=True)
class Table:
    """Cells under one set of conditions. In notes and caption, `backticks` mark commands."""

    conditions: Conditions
    caption: str
    """The conditions, the units and what ± means."""
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    """The settings of each protocol, the machine, and the sources of published values."""


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
    sources = [source for source in published if any(map(source.is_beside, cells))]
    others = [(source, name) for source in sources for name in source.others]  # rows of their own
    protocols = list(dict.fromkeys(cell.protocol for cell in cells))

    def column(head: str, entry: Callable[[Cell], str], is_text: bool = False) -> Column:
        return Column("", head, (*map(entry, cells), *[NOTHING] * len(others)), is_text)

    def measured(quantity: Quantity) -> Column:
        return column(
            QUANTITY_NAMES[quantity], lambda cell: _entry(cell.estimate(quantity), quantity)
        )

    def printed(source: Published, quantity: Quantity) -> Column:
        values = [source.values_for(cell) for cell in cells]
        values += [owner.others[name] if owner is source else {} for owner, name in others]
        entries = tuple(value.get(quantity, NOTHING) for value in values)
        return Column(_label(source, conditions), QUANTITY_NAMES[quantity], entries)

    flows = (*(cell.flow for cell in cells), *(name for _, name in others))
    columns = [
        *([column("protocol", lambda cell: cell.protocol or NOTHING, True)] * (len(protocols) > 1)),
        Column("", "flow", flows, is_text=True),
        column("K", lambda cell: str(cell.K)),
        column("variant", lambda cell: cell.variant or NOTHING, True),
        *map(measured, QUANTITY_NAMES),
        column("n", lambda cell: str(len(cell.runs))),
        *(printed(source, quantity) for source in sources for quantity in source.quantities),
        column("parameters", lambda cell: f"{cell.first.num_parameters:,}"),
        column("updates", lambda cell: "–".join(f"{n:,}" for n in dict.fromkeys(cell.steps))),
        column("minutes", _minutes),
    ]
    notes = [
        ("Settings" if protocol is None else f"Protocol {protocol}")
        + ": "
        + describe_settings(run for cell in cells if cell.protocol == protocol for run in cell.runs)
        for protocol in protocols
    ]
    notes += [*_objectives(cells), *_machines(cells)]
    notes += [_source_note(source, conditions) for source in sources]
    return Table(
        conditions,
        _caption(conditions, cells),
        tuple(column for column in columns if set(column.entries) != {NOTHING}),
        tuple(f"{note}." for note in notes),
    )


def _caption(conditions: Conditions, cells: Sequence[Cell]) -> str:
    several = any(len(cell.runs) > 1 for cell in cells)
    spread = ": mean ± sample standard deviation over n training seeds"
    unit = "In nats per image" + (spread if several else ", one run per row")
    sentences = [str(conditions), unit]
    if conditions.num_importance_samples:
        sentences.append(
            "gap = −ELBO − NLL estimates KL(q(z|x) ‖ p(z|x)) from below; KL is to the prior"
        )
    if any(cell.estimate("neg_elbo_bits_per_dim") for cell in cells):
        sentences.append("bits/dim = nats / (C·H·W·log 2)")
    return " ".join(f"{sentence}." for sentence in sentences)


def _entry(estimate: Estimate | None, quantity: Quantity) -> str:
    """Mean ± deviation; a count of a single run is a whole number."""
    if estimate is None:
        return NOTHING
    digits = DIGITS.get(quantity, 2)
    if estimate.std is None:
        return f"{estimate.mean:.{0 if quantity == 'active_units' else digits}f}"
    return f"{estimate.mean:.{digits}f} ± {estimate.std:.{digits}f}"


def _minutes(cell: Cell) -> str:
    return NOTHING if cell.train_seconds is None else f"{cell.train_seconds / 60:,.1f}"


def _objectives(cells: Iterable[Cell]) -> list[str]:
    """A note on models whose training did not maximize a bound on log p(x)."""
    found = [
        f"{cell.flow} K={cell.K} with `objective.beta={cell.first.beta:g} "
        f"objective.free_bits={cell.first.free_bits:g}`"
        for cell in cells
        if not cell.first.is_bound
    ]
    if not found:
        return []
    models = ", ".join(dict.fromkeys(found))
    return [f"Not trained on the ELBO: {models}; their numbers here are of the true bound, β = 1"]


def _machines(cells: Iterable[Cell]) -> list[str]:
    """A note on the machines, if they are known; `minutes` are training times."""
    machines = Counter(run.made.machine for cell in cells for run in cell.runs)
    if not any(machines):
        return []
    texts = [
        f"{machine or 'not recorded'} ({number} run{'s' if number > 1 else ''})"
        for machine, number in machines.items()
    ]
    return [f"Trained on: {'; '.join(texts)}"]


def _label(source: Published, conditions: Conditions) -> str:
    return source.label + (UNLIKE if source.differences(conditions) else "")


def _source_note(source: Published, conditions: Conditions) -> str:
    differences = source.differences(conditions)
    judgement = (
        f"{UNLIKE} Not like for like: {'; '.join(differences)}"
        if differences
        else "Like for like: the same bits, training images and number of latents"
    )
    return f"{_label(source, conditions)}: {source.protocol}. {judgement}"
