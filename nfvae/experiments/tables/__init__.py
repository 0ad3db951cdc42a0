"""Tables in the papers' style: collect runs, group them into cells, add published values."""

from nfvae.experiments.tables.cells import Cell, Estimate, make_cells
from nfvae.experiments.tables.collect import Collected, collect
from nfvae.experiments.tables.layout import Table, make_tables
from nfvae.experiments.tables.missing import Missing, find_missing
from nfvae.experiments.tables.published import PUBLISHED, Published
from nfvae.experiments.tables.results import Conditions, Results, Run, Unfinished

__all__ = [
    "PUBLISHED",
    "Cell",
    "Collected",
    "Conditions",
    "Estimate",
    "Missing",
    "Published",
    "Results",
    "Run",
    "Table",
    "Unfinished",
    "collect",
    "find_missing",
    "make_cells",
    "make_tables",
]
