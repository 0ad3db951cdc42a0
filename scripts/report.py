"""A page to look at, of a run or a sweep: python scripts/report.py outputs/rezende2015."""

import sys

from nfvae.commands.report import report

if __name__ == "__main__":
    sys.exit(report(sys.argv[1:]))
