"""The papers' tables: python scripts/table.py outputs/rezende2015 --out outputs/tables."""

import sys

from nfvae.commands.table import table

if __name__ == "__main__":
    sys.exit(table(sys.argv[1:]))
