"""Train a VAE, or many with -m: python scripts/train.py flow=planar K=16."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("train")
