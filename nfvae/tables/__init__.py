"""The papers' tables from results files: collect runs, group them, add the published values."""

from nfvae.tables.cells import Cell, Estimate, make_cells
from nfvae.tables.collect import Collected, collect
from nfvae.tables.layout import Table, make_tables
from nfvae.tables.missing import Missing, find_missing
from nfvae.tables.published import PUBLISHED, Published
from nfvae.tables.results import Conditions, Results, Run, Unfinished

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
