"""Train a VAE: python scripts/train.py flow=planar K=16; or, with -m, many."""

from nfvae.experiments.cli import run_script


def main(composed) -> int:
    from nfvae.experiments.commands.train import train  # after --help and completion have answered

    return train(composed)


def sweep(jobs) -> int:
    from nfvae.experiments.commands.sweep import sweep

    return sweep(jobs)


if __name__ == "__main__":
    run_script("train", main, sweep)
