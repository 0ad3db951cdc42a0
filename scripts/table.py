"""Make tables of runs: python scripts/table.py outputs/rezende2015 --out outputs/tables."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("table")
