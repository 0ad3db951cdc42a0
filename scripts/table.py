"""The papers' tables: python scripts/table.py outputs/rezende2015 --out outputs/tables."""

from nfvae.experiments.cli import run_command


def main(arguments) -> int:
    from nfvae.experiments.commands.table import table  # once Ctrl-C ends the process at once

    return table(arguments)


if __name__ == "__main__":
    run_command(main)
