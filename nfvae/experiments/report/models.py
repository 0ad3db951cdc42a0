"""Graphics of a trained model on test images; they need the run's checkpoint and torch."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from nfvae.data import Dataset
from nfvae.evaluation.activity import ACTIVE, unit_activity
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.figures.bars import activity_figure
from nfvae.experiments.figures.pictures import (
    interpolations,
    is_ink,
    latent_plane,
    prior_samples,
    reconstructions,
    stack,
    to_pixels,
    traversals,
)
from nfvae.experiments.figures.plane import plane_figure
from nfvae.experiments.report.graphics import Graphic, picture, vector
from nfvae.experiments.running.loading import check_same_kind, load_vae
from nfvae.experiments.storage.run_folder import RunFolder

ROWS, COLUMNS, PAIRS = 6, 11, 3  # sizes of the grids of small images
NUM_IMAGES = 1000  # for the activity and the latent plane
SEED = 0


@torch.inference_mode()
def model_graphics(path: Path) -> Iterator[Graphic]:
    """Graphics of the model in a run's folder, at the checkpoint of its results.

    Raises:
        NfvaeError: the checkpoint, configuration or data cannot be used.
    """
    torch.set_num_threads(1)
    config, vae = RunFolder(path).parse_config(), load_vae(path)
    data = _read_once(json.dumps(config.data))
    check_same_kind(vae, data)
    generator = torch.Generator().manual_seed(SEED)
    index = torch.arange(min(NUM_IMAGES, len(data.test)))
    x = data.test.batch(index)

    def image(grid: Tensor, caption: str) -> Graphic:
        return picture(to_pixels(vae, grid), caption, keep_colours=not is_ink(vae))

    by_unit = unit_activity(vae, x, generator)
    portions = x[: PAIRS * COLUMNS].split(COLUMNS)
    pairs = stack([reconstructions(vae, portion, generator) for portion in portions])
    yield image(pairs, "Test images, each above its reconstruction from one z ~ q(z|x)")
    yield image(prior_samples(vae, generator, ROWS, COLUMNS), "Samples: z ~ p(z), decoded")
    if vae.latent_dim != 2:  # with 2 latents, the plane shows more
        units = by_unit.argsort(descending=True)[:ROWS]
        z = vae.posterior(x[:1]).draw((), generator).z[0]
        numbers = ", ".join(str(i + 1) for i in units.tolist())
        yield image(
            traversals(vae, z, units),
            f"Traversals: the first test image, with unit {numbers} (one per row, the most active "
            "first) set to −3 … 3",
        )
    yield image(
        interpolations(vae, x[: 2 * min(ROWS, len(x) // 2)], generator),
        "Interpolations: test images left and right; between them, the decoded points of the "
        "straight line from a sample of one's q(z|x) to a sample of the other's",
    )
    if vae.latent_dim == 2:
        yield image(latent_plane(vae), "The latent plane, decoded: z₁ and z₂ from −3 to 3")
        z, labels = vae.posterior(x).draw((), generator).z, data.test.labels
        yield vector(
            plane_figure(z, None if labels is None else labels[index]),
            f"One z ~ q(z|x) for each of {len(x):,} test images",
        )
    yield vector(
        activity_figure(by_unit.tolist(), ACTIVE),
        f"Activity of each latent unit, over {len(x):,} test images",
    )


@lru_cache(maxsize=2)  # runs of a sweep share their data
def _read_once(options: str) -> Dataset:
    return read_data(json.loads(options))
