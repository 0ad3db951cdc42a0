"""Train a VAE: python scripts/train.py flow=planar K=16; many with -m."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("train")
