"""Fit a flow to a 2-D energy: python scripts/fit_energy.py energy=U1 flow=planar K=32."""

from nfvae.experiments.command_line.main import run

if __name__ == "__main__":
    run("fit_energy")
