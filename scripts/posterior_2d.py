"""q(z|x) beside p(z|x): python scripts/posterior_2d.py run=outputs/RUN (or run=[a,b,c])."""

from nfvae.experiments.cli import run_script


def main(composed) -> int:
    from nfvae.experiments.commands.posterior_2d import posterior_2d  # after --help and completion

    return posterior_2d(composed)


if __name__ == "__main__":
    run_script("posterior_2d", main)
