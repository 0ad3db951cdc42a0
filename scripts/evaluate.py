"""Measure a run again: python scripts/evaluate.py outputs/planar_K16_seed0."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("evaluate")
