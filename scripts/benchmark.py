"""Time flows, training steps, the NLL and start-up: python scripts/benchmark.py."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("benchmark")
