"""Measure a trained run again: python scripts/evaluate.py run=outputs/planar_K16_seed0."""

from nfvae.experiments.cli import run_script


def main(composed) -> int:
    from nfvae.experiments.commands.evaluate import (
        evaluate,  # after --help and completion have answered
    )

    return evaluate(composed)


if __name__ == "__main__":
    run_script("evaluate", main)
