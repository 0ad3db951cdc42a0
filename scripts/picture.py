"""Draw reconstructions and samples of a run: python scripts/picture.py outputs/planar_K16_seed0."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("picture")
