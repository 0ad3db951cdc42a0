"""Draw what a run has learned: python scripts/picture.py run=outputs/planar_K16_seed0."""

from nfvae.cli import run_script


def picture(config) -> int:
    from nfvae.training.command import picture_command

    return picture_command(config)


if __name__ == "__main__":
    run_script("picture", picture)
