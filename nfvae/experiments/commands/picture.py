"""picture: draw reconstructions and samples of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from nfvae.experiments.configuration.config import Seed
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.figures.run import run_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.storage.atomic import require_file
from nfvae.experiments.storage.run_folder import RunFolder


class PictureConfig(Section):
    """The settings of picture."""

    run: str
    file: Annotated[str, Field(min_length=1)] | None
    seed: Seed


def picture(composed: Mapping[str, Any]) -> int:
    """Draw the figure; returns the exit status.

    Raises:
        NfvaeError: the run or the file cannot be used.
    """
    config = check_section(PictureConfig, composed)
    folder = RunFolder(Path(config.run))
    file = folder.path / "picture.png" if config.file is None else Path(config.file)
    run = folder.parse_config()
    require_file(file, ".png")
    data = read_data(run.data)
    x = next(data.test.batches(32))
    figure = run_figure(load_vae(folder.path), x, config.seed)
    save_png(figure, file, dpi=100)
    print(f"written to  {file}")
    return 0
