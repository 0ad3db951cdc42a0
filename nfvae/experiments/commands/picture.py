"""picture: draw reconstructions and samples of a run."""

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nfvae.experiments.configuration.config import Seed
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.figures.pictures import prior_samples, reconstructions, stack, to_pixels
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.running.loading import check_same_kind, load_vae
from nfvae.experiments.storage.atomic import require_file
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.paths import expand
from nfvae.vae import VAE

COLUMNS = 8


class PictureConfig(Section):
    """The settings of picture."""

    run: str
    file: str | None
    seed: Seed


def picture(composed: Mapping[str, Any]) -> int:
    """Draw the figure; returns the exit status.

    Raises:
        NfvaeError: the run or the file cannot be used.
    """
    config = check_section(PictureConfig, composed)
    folder = RunFolder(expand(config.run, "run"))
    file = folder.path / "picture.png" if config.file is None else expand(config.file, "file")
    run = folder.parse_config()
    require_file(file, ".png")
    vae, data = load_vae(folder.path), read_data(run.data)
    check_same_kind(vae, data)
    x = next(data.test.batches(4 * COLUMNS))
    save_png(_figure(vae, x, config.seed), file, dpi=100)
    print(f"written to  {file}")
    return 0


def _figure(vae: VAE, x: Tensor, seed: int) -> Figure:
    """Images [B, C, H, W] above their reconstructions, and samples decoded from the prior."""
    generator = torch.Generator().manual_seed(seed)
    rows = [reconstructions(vae, portion, generator) for portion in x.split(COLUMNS)]
    panels = {
        "test images, reconstructions below": stack(rows),
        "samples: decode z ~ p(z)": prior_samples(vae, generator, columns=COLUMNS),
    }
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    for axis, (title, grid) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        axis.imshow(to_pixels(vae, grid), cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure
