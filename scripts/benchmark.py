"""Time flows, training steps, the NLL and the start: python scripts/benchmark.py."""

from nfvae.experiments.cli import run_script


def main(composed) -> int:
    from nfvae.experiments.commands.benchmark import (
        benchmark,  # after --help and completion have answered
    )

    return benchmark(composed)


if __name__ == "__main__":
    run_script("benchmark", main)
