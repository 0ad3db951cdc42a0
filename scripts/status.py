"""Print the state of runs: python scripts/status.py outputs."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("status")
