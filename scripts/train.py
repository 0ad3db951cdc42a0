"""Train a VAE: python scripts/train.py flow=planar K=16."""

from nfvae.cli import run_script


def train(config) -> int:
    from nfvae.training.command import train_command

    return train_command(config)


if __name__ == "__main__":
    run_script("train", train)
