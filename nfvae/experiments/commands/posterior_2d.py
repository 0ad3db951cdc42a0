"""posterior_2d: compare q(z|x) with the true posterior p(z|x), for runs with two latents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor

from nfvae.evaluation.posterior_plane import posterior_on_grid
from nfvae.experiments.configuration.config import Config, Seed
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.figures.density import posterior_figure
from nfvae.experiments.figures.pictures import to_pixels
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.running.loading import check_same_kind, load_vae
from nfvae.experiments.storage.atomic import require_file
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import differences
from nfvae.experiments.tables.settings import Settings, settings_of
from nfvae.paths import expand
from nfvae.vae import VAE

Index = Annotated[int, Field(ge=0)]


class Posterior2dConfig(Section):
    """The settings of posterior_2d."""

    run: Annotated[list[str], Field(min_length=1, max_length=64)]
    images: Annotated[list[Index], Field(min_length=1, max_length=20)]
    num_images: Annotated[int, Field(ge=0)]
    file: str | None
    seed: Seed

    @field_validator("run", mode="before")
    @classmethod
    def _one_or_several(cls, run: object) -> object:
        return [run] if isinstance(run, str) else run


def posterior_2d(composed: Mapping[str, Any]) -> int:
    """Print KL(q‖p(z|x)) and draw both; returns the exit status.

    Raises:
        NfvaeError: a run does not have two latents, or the runs cannot be compared.
    """
    config = check_section(Posterior2dConfig, composed)
    torch.set_num_threads(1)
    runs = {run: RunFolder(expand(run, "run")).parse_config() for run in config.run}
    check_comparable(runs)
    groups = group_by_seed(runs)
    if config.file is None:
        file = expand(config.run[0], "run") / "posterior_2d.png"
    else:
        file = expand(config.file, "file")
    require_file(file, ".png")
    data = read_data(next(iter(runs.values())).data)
    split = data.test
    if max(config.images) >= len(split):
        raise ConfigError(
            f"images={max(config.images)} is not in the test split; allowed: 0 to {len(split) - 1}"
        )
    if config.num_images > len(split):
        raise ConfigError(
            f"num_images={config.num_images} is too many; the test split has {len(split)} images"
        )
    x = split.batch(torch.tensor(config.images)).double()
    spread = torch.arange(config.num_images) * len(split) // max(1, config.num_images)

    columns = []
    for title, members in groups.items():
        vae = load_vae(members[0]).double()
        check_same_kind(vae, data)
        generator = torch.Generator().manual_seed(config.seed)
        columns.append([posterior_on_grid(vae, image, generator) for image in x])
        print(f"{title} ({members[0]})")
        for index, found in zip(config.images, columns[-1], strict=True):
            print(
                f"  test image {index}: KL(q(z|x)‖p(z|x)) {found.kl:.3f} nats, "
                f"log p(x) {found.log_evidence:.2f} nats, q on the grid {found.mass:.4f}",
                flush=True,
            )
    images = [to_pixels(vae, image) for image in x]
    figure = posterior_figure(images, list(zip(*columns, strict=True)), list(groups))
    save_png(figure, file)
    print(f"written to  {file}")
    if len(spread):
        _print_means(groups, runs, split.batch(spread).double(), config.seed)
    return 0


def check_comparable(runs: Mapping[str, Config]) -> None:
    """Check that all runs have two latents and the same data; raises ConfigError."""
    first = next(iter(runs.values()))
    for run, config in runs.items():
        if config.latent_dim != 2:
            raise ConfigError(
                f"run={run} has model.latent_dim={config.latent_dim}; a picture of its "
                "posterior needs 2"
            )
        for key, its, firsts in differences(config.data, first.data, "data."):
            raise ConfigError(f"run={run} has {key}={its}, the first run {key}={firsts}")


def group_by_seed(runs: Mapping[str, Config]) -> dict[str, list[str]]:
    """Title of a model -> its runs, which differ only in their seed.

    Raises:
        ConfigError: two runs of one model have the same seed.
    """
    models: dict[Settings, dict[int, str]] = {}
    for run, config in runs.items():
        members = models.setdefault(settings_of(config.model_dump()), {})
        if (other := members.setdefault(config.seed, run)) != run:
            raise ConfigError(f"run={run} and {other} are the same model and seed")
    groups = [[*members.values()] for members in models.values()]
    titles = [f"{runs[group[0]].flow['name']} K={runs[group[0]].K}" for group in groups]
    return {
        title if titles.count(title) == 1 else f"{title} {Path(group[0]).name}": group
        for title, group in zip(titles, groups, strict=True)
    }


class MeanKl(NamedTuple):
    """KL(q(z|x) ‖ p(z|x)) over images, in nats."""

    mean: float
    standard_error: float | None
    """Standard error of the mean over images; None for one image."""
    median: float
    missed: int
    """Number of images for which the grid misses more than 1 % of q."""


def mean_kl(vae: VAE, images: Tensor, seed: int) -> MeanKl:
    """KL over images [N, C, H, W] of a model in float64."""
    generator = torch.Generator().manual_seed(seed)
    found = [posterior_on_grid(vae, image, generator) for image in images]
    kls = [each.kl for each in found]
    error = stdev(kls) / len(kls) ** 0.5 if len(kls) > 1 else None
    return MeanKl(fmean(kls), error, median(kls), sum(abs(each.mass - 1) > 0.01 for each in found))


def _print_means(
    groups: Mapping[str, Sequence[str]], runs: Mapping[str, Config], images: Tensor, seed: int
) -> None:
    number = f"{len(images)} test images, ± standard error over images"
    print(f"KL(q(z|x)‖p(z|x)) in nats over {number if len(images) > 1 else '1 test image'}:")
    over_seeds = []
    for title, members in groups.items():
        kls = []
        for run in members:
            kls.append(kl := mean_kl(load_vae(run).double(), images, seed))
            note = f"; the grid misses more than 1 % of q for {kl.missed}" if kl.missed else ""
            mean = _plus_minus(kl.mean, kl.standard_error)
            print(
                f"  {title} seed={runs[run].seed}: mean {mean}, median {kl.median:.3f} ({run})"
                f"{note}",
                flush=True,
            )
        mean, middle = (
            _plus_minus(fmean(values), stdev(values) if len(values) > 1 else None)
            for values in ([kl.mean for kl in kls], [kl.median for kl in kls])
        )
        seeds = "1 seed" if len(kls) == 1 else f"{len(kls)} seeds"
        over_seeds.append(f"  {title}: mean {mean}, median {middle} ({seeds})")
    print("the same, ± standard deviation over seeds:", *over_seeds, sep="\n")


def _plus_minus(value: float, deviation: float | None) -> str:
    return f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"
