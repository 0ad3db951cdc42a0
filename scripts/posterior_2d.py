"""Compare q(z|x) with p(z|x): python scripts/posterior_2d.py outputs/RUN."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("posterior_2d")
