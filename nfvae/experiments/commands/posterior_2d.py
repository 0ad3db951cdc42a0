"""posterior_2d.py: q(z|x) beside the true posterior, for runs with two latents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, field_validator

from nfvae.data import Dataset
from nfvae.evaluation.posterior_plane import PlanePosterior, posterior_on_grid
from nfvae.experiments.config import Config, Seed
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.figures.posterior import posterior_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.loading import load_vae
from nfvae.experiments.parts import read_data
from nfvae.experiments.sections import Section, check_section
from nfvae.experiments.storage.atomic import require_file
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import differences

Index = Annotated[int, Field(ge=0)]


class Posterior2dConfig(Section):
    """What posterior_2d.py takes."""

    run: Annotated[list[str], Field(min_length=1, max_length=8)]
    images: Annotated[list[Index], Field(min_length=1, max_length=20)]
    file: Annotated[str, Field(min_length=1)] | None
    seed: Seed

    @field_validator("run", mode="before")
    @classmethod
    def _one_or_several(cls, run: object) -> object:
        return [run] if isinstance(run, str) else run


def posterior_2d(composed: Mapping[str, Any]) -> int:
    """Returns the exit status; raises NfvaeError."""
    config = check_section(Posterior2dConfig, composed)
    torch.set_num_threads(1)
    runs = {run: RunFolder(Path(run)).parse_config() for run in config.run}
    first = _check(runs)
    file = Path(config.run[0]) / "posterior_2d.png" if config.file is None else Path(config.file)
    require_file(file, ".png")
    data = read_data(first.data)
    x = _images(data, config.images)
    columns = []
    for run in runs:
        vae = load_vae(run).double()
        generator = torch.Generator().manual_seed(config.seed)
        columns.append([posterior_on_grid(vae, image, generator) for image in x])
        print(f"{run}")
        for index, posterior in zip(config.images, columns[-1], strict=True):
            print(_line(index, posterior), flush=True)
    figure = posterior_figure(
        [image.mean(0) for image in x],
        list(zip(*columns, strict=True)),
        [f"{run.flow['name']} K={run.K}" for run in runs.values()],
    )
    save_png(figure, file)
    print(f"written to  {file}")
    return 0


def _check(runs: Mapping[str, Config]) -> Config:
    """The runs can be compared; returns the first one's configuration."""
    first = next(iter(runs.values()))
    for run, config in runs.items():
        if config.latent_dim != 2:
            raise ConfigError(
                f"run={run} has model.latent_dim={config.latent_dim}; a picture of its "
                "posterior needs 2"
            )
        other = differences(config.data, first.data, "data.")
        for key, its, firsts in other:
            raise ConfigError(f"run={run} has {key}={its}, the first run {key}={firsts}")
    return first


def _images(data: Dataset, indices: list[int]) -> torch.Tensor:
    if max(indices) >= len(data.test):
        raise ConfigError(
            f"images={max(indices)} is not in the test split; allowed: 0 to {len(data.test) - 1}"
        )
    return data.test.batch(torch.tensor(indices)).double()


def _line(index: int, posterior: PlanePosterior) -> str:
    return (
        f"  test image {index}: KL(q(z|x)‖p(z|x)) {posterior.kl:.3f} nats, "
        f"log p(x) {posterior.log_evidence:.2f} nats, q in the window {posterior.mass:.4f}"
    )
