"""posterior_2d: compare q(z|x) with the true posterior p(z|x), for runs with two latents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, field_validator

from nfvae.data import Dataset
from nfvae.evaluation.elbo import standard_error
from nfvae.evaluation.posterior_plane import PlanePosterior, posterior_on_grid
from nfvae.experiments.configuration.config import Config, Seed
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.figures.posterior import posterior_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.storage.atomic import require_file
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import differences
from nfvae.vae import VAE

Index = Annotated[int, Field(ge=0)]


class Posterior2dConfig(Section):
    """The settings of posterior_2d."""

    run: Annotated[list[str], Field(min_length=1, max_length=64)]
    images: Annotated[list[Index], Field(min_length=1, max_length=20)]
    num_images: Annotated[int, Field(ge=0)]
    file: Annotated[str, Field(min_length=1)] | None
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
    runs = {run: RunFolder(Path(run)).parse_config() for run in config.run}
    first = _check(runs)
    groups = group_by_seed(runs)
    file = Path(config.run[0]) / "posterior_2d.png" if config.file is None else Path(config.file)
    require_file(file, ".png")
    data = read_data(first.data)
    x = _images(data, config.images)
    many = _evenly_spaced(data, config.num_images)

    columns = []
    for title, members in groups.items():
        vae = load_vae(members[0]).double()
        generator = torch.Generator().manual_seed(config.seed)
        columns.append([posterior_on_grid(vae, image, generator) for image in x])
        print(f"{title} ({members[0]})")
        for index, posterior in zip(config.images, columns[-1], strict=True):
            print(_line(index, posterior), flush=True)
    figure = posterior_figure(
        [image.mean(0) for image in x], list(zip(*columns, strict=True)), list(groups)
    )
    save_png(figure, file, dpi=110)
    print(f"written to  {file}")
    if config.num_images > 1:
        _print_means(groups, runs, many, config.seed)
    return 0


def group_by_seed(runs: Mapping[str, Config]) -> dict[str, list[str]]:
    """Title of a model -> its runs, which differ only in their seed.

    Raises:
        ConfigError: two runs of one model have the same seed.
    """
    groups: list[list[str]] = []
    for run, config in runs.items():
        for group in groups:
            differing = {
                key for key, *_ in differences(runs[group[0]].model_dump(), config.model_dump())
            }
            if differing <= {"seed"}:
                for other in group:
                    if runs[other].seed == config.seed:
                        raise ConfigError(f"run={run} and {other} are the same model and seed")
                group.append(run)
                break
        else:
            groups.append([run])
    titles = [f"{runs[group[0]].flow['name']} K={runs[group[0]].K}" for group in groups]
    return {
        title if titles.count(title) == 1 else f"{title} {Path(group[0]).name}": group
        for title, group in zip(titles, groups, strict=True)
    }


class MeanKl(NamedTuple):
    """KL(q(z|x) ‖ p(z|x)) over images, in nats."""

    mean: float
    standard_error: float
    """Standard error of the mean over images."""
    median: float
    missed: int
    """Number of images for which the grid misses more than 1 % of q."""


def mean_kl(vae: VAE, images: torch.Tensor, seed: int) -> MeanKl:
    """KL over images [N, C, H, W], N ≥ 2, of a model in float64."""
    generator = torch.Generator().manual_seed(seed)
    found = [posterior_on_grid(vae, image, generator) for image in images]
    kls = torch.tensor([each.kl for each in found])
    missed = sum(abs(each.mass - 1) > 0.01 for each in found)
    return MeanKl(float(kls.mean()), standard_error(kls), float(kls.quantile(0.5)), missed)


def _print_means(
    groups: Mapping[str, Sequence[str]],
    runs: Mapping[str, Config],
    images: torch.Tensor,
    seed: int,
) -> None:
    print(
        f"KL(q(z|x)‖p(z|x)) in nats over {len(images)} test images, ± standard error over images:"
    )
    by_title: dict[str, list[MeanKl]] = {}
    for title, members in groups.items():
        for run in members:
            kl = mean_kl(load_vae(run).double(), images, seed)
            by_title.setdefault(title, []).append(kl)
            note = f"; the grid misses more than 1 % of q for {kl.missed}" if kl.missed else ""
            print(
                f"  {title} seed={runs[run].seed}: mean {kl.mean:.3f} ± {kl.standard_error:.3f}, "
                f"median {kl.median:.3f} ({run}){note}",
                flush=True,
            )
    print("the same, ± standard deviation over seeds:")
    for title, kls in by_title.items():
        mean, median = _over_seeds([kl.mean for kl in kls]), _over_seeds([kl.median for kl in kls])
        seeds = "1 seed" if len(kls) == 1 else f"{len(kls)} seeds"
        print(f"  {title}: mean {mean}, median {median} ({seeds})")


def _over_seeds(values: Sequence[float]) -> str:
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread}"


def _check(runs: Mapping[str, Config]) -> Config:
    """Check that the runs can be compared; returns the first one's configuration."""
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


def _evenly_spaced(data: Dataset, number: int) -> torch.Tensor:
    """`number` test images from the whole split, whose parts differ in difficulty: [N, C, H, W]."""
    if number > len(data.test):
        raise ConfigError(f"num_images={number} is more than the {len(data.test)} test images")
    return data.test.batch(torch.arange(number) * len(data.test) // max(1, number)).double()


def _line(index: int, posterior: PlanePosterior) -> str:
    return (
        f"  test image {index}: KL(q(z|x)‖p(z|x)) {posterior.kl:.3f} nats, "
        f"log p(x) {posterior.log_evidence:.2f} nats, q on the grid {posterior.mass:.4f}"
    )
