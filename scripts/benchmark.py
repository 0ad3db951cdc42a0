"""Time flows, training steps, the NLL and the start: python scripts/benchmark.py."""

from nfvae.cli import run_script


def main(composed) -> int:
    from nfvae.commands.benchmark import benchmark  # after --help and completion have answered

    return benchmark(composed)


if __name__ == "__main__":
    run_script("benchmark", main)
