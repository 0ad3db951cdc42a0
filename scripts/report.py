"""Make an HTML page about a run or a sweep: python scripts/report.py outputs/rezende2015."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("report")
