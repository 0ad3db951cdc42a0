"""Draw what a run has learned: python scripts/picture.py run=outputs/planar_K16_seed0."""

from nfvae.cli import run_script


def main(composed) -> int:
    from nfvae.commands.picture import picture  # after --help and completion have answered

    return picture(composed)


if __name__ == "__main__":
    run_script("picture", main)
