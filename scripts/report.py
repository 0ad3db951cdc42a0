"""A page to look at, of a run or a sweep: python scripts/report.py outputs/rezende2015."""

from nfvae.experiments.cli import run_command


def main(arguments) -> int:
    from nfvae.experiments.commands.report import report  # once Ctrl-C ends the process at once

    return report(arguments)


if __name__ == "__main__":
    run_command(main)
