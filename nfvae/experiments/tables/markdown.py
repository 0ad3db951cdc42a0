"""Tables in Markdown."""

from collections.abc import Iterable
from textwrap import fill

from nfvae.experiments.tables.layout import Column, Table

WIDTH = 100  # of a line of text; a row of a table cannot be broken


def markdown(tables: Iterable[Table]) -> str:
    """Each table between its caption and its notes, without headings of its own."""
    return "\n".join(_one(table) for table in tables)


def _one(table: Table) -> str:
    rows = [
        [_head(column) for column in table.columns],
        ["---" if column.is_text else "---:" for column in table.columns],
        *zip(*(column.entries for column in table.columns), strict=True),
    ]
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([_text(table.caption), grid, *map(_text, table.notes)]) + "\n"


def _head(column: Column) -> str:
    return f"{column.source} {column.head}".lstrip()


def _text(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
