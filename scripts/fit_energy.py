"""Fit a flow to a 2-D energy: python scripts/fit_energy.py energy=U1 flow=planar K=32."""

from nfvae.experiments.cli import run_script


def main(composed) -> int:
    from nfvae.experiments.commands.fit_energy import (
        fit_energy,  # after --help and completion have answered
    )

    return fit_energy(composed)


if __name__ == "__main__":
    run_script("fit_energy", main)
