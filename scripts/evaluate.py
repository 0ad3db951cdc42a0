"""Measure a trained run again: python scripts/evaluate.py run=outputs/planar_K16_seed0."""

from nfvae.cli import run_script


def evaluate(config) -> int:
    from nfvae.training.command import evaluate_command

    return evaluate_command(config)


if __name__ == "__main__":
    run_script("evaluate", evaluate)
