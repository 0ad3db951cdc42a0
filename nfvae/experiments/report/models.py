"""Graphics of a trained model on test images; they need the run's checkpoint and torch."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nfvae.data import Dataset
from nfvae.evaluation.activity import ACTIVE, unit_activity
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.figures.bars import activity_figure
from nfvae.experiments.figures.pictures import (
    interpolations,
    latent_plane,
    prior_samples,
    reconstructions,
    stack,
    traversals,
)
from nfvae.experiments.figures.plane import plane_figure
from nfvae.experiments.report.graphics import Graphic, picture, vector
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.vae import VAE

ROWS, COLUMNS, PAIRS = 6, 11, 3  # sizes of the grids of small images
NUM_IMAGES = 1000  # for the activity and the latent plane
SEED = 0


class ModelPictures:
    """Graphics of models. A data set is read once for all runs that use it."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._data: dict[str, Dataset] = {}

    def of(self, path: Path, name: str) -> list[Graphic]:
        """Graphics of a run's model, at the checkpoint of its results.

        Args:
            path: the run's folder.
            name: unique on the page, for ids.

        Raises:
            NfvaeError: the checkpoint, configuration or data cannot be used.
        """
        config = RunFolder(path).parse_config()
        vae = load_vae(path)
        key = json.dumps(config.data)
        if key not in self._data:
            self._data[key] = read_data(config.data)
        return list(_graphics(vae, self._data[key], name))


@torch.inference_mode()
def _graphics(vae: VAE, data: Dataset, name: str) -> Iterator[Graphic]:
    generator = torch.Generator().manual_seed(SEED)
    index = torch.arange(min(NUM_IMAGES, len(data.test)))
    x = data.test.batch(index)
    by_unit = unit_activity(vae, x, generator)
    portions = x[: PAIRS * COLUMNS].split(COLUMNS)
    pairs = [reconstructions(vae, portion, generator) for portion in portions]
    yield picture(
        _ink(stack(pairs)),
        "Test images, each above its reconstruction from one z ~ q(z|x)",
    )
    yield picture(_ink(prior_samples(vae, generator, ROWS, COLUMNS)), "Samples: z ~ p(z), decoded")
    if vae.latent_dim != 2:  # with 2 latents, the plane shows more
        yield _traversals(vae, x[:1], by_unit, generator)
    yield picture(
        _ink(interpolations(vae, x[: 2 * ROWS], generator)),
        "Interpolations: test images left and right; between them, the decoded points of the "
        "straight line from a sample of one's q(z|x) to a sample of the other's",
    )
    if vae.latent_dim == 2:
        yield picture(_ink(latent_plane(vae)), "The latent plane, decoded: z₁ and z₂ from −3 to 3")
        z, labels = vae.posterior(x).draw((), generator).z, data.test.labels
        yield vector(
            plane_figure(z, None if labels is None else labels[index]),
            f"{name}-plane",
            f"One z ~ q(z|x) for each of {len(x):,} test images",
        )
    yield vector(
        activity_figure(by_unit.tolist(), ACTIVE),
        f"{name}-activity",
        f"Activity of each latent unit, over {len(x):,} test images",
    )


def _traversals(vae: VAE, x: Tensor, by_unit: Tensor, generator: torch.Generator) -> Graphic:
    units = by_unit.argsort(descending=True)[:ROWS]
    z = vae.posterior(x).draw((), generator).z[0]
    numbers = ", ".join(str(i + 1) for i in units.tolist())
    return picture(
        _ink(traversals(vae, z, units)),
        f"Traversals: the first test image, with unit {numbers} (one per row, the most active "
        "first) set to −3 … 3",
    )


def _ink(grid: Tensor) -> npt.NDArray[np.floating]:
    ink: npt.NDArray[np.floating] = grid[0].numpy()
    return ink
