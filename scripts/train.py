"""Train a VAE: python scripts/train.py flow=planar K=16."""

from nfvae.cli import run_script


def main(composed) -> int:
    from nfvae.commands.train import train  # after --help and completion have answered

    return train(composed)


if __name__ == "__main__":
    run_script("train", main)
