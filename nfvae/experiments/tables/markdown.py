"""Tables in Markdown."""

import re
from collections.abc import Iterable
from textwrap import fill

from nfvae.experiments.tables.layout import Table

WIDTH = 100  # of a line of text; rows of a table cannot be broken


def markdown(tables: Iterable[Table]) -> str:
    """Each table with its caption above and its notes below, without headings."""
    return "\n".join(_one_table(table) for table in tables)


def _one_table(table: Table) -> str:
    rows = [
        [_cell(f"{column.source} {column.head}".lstrip()) for column in table.columns],
        ["---" if column.is_text else "---:" for column in table.columns],
        *(map(_cell, row) for row in zip(*(c.entries for c in table.columns), strict=True)),
    ]
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([_text(table.caption), grid, *map(_text, table.notes)]) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"[\\`*<>|\[\]]", r"\\\g<0>", text)


def _text(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
