"""posterior_2d: one run or several, seeds of one model, averages, and what is refused."""

import re
from statistics import fmean, stdev

import pytest
import torch

from nfvae.evaluation.posterior_plane import posterior_on_grid
from nfvae.experiments.commands.posterior_2d import (
    Posterior2dConfig,
    check_comparable,
    group_by_seed,
    mean_kl,
    posterior_2d,
)
from nfvae.experiments.configuration.sections import check_section
from nfvae.experiments.errors import ConfigError, RunFolderError
from nfvae.experiments.figures.density import posterior_figure
from nfvae.experiments.figures.pictures import to_pixels
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.objective import elbo_terms, importance_weighted

PLAIN = {"run": "a", "images": [0], "num_images": 2, "file": None, "seed": 0}


def test_one_run_or_several():
    assert check_section(Posterior2dConfig, PLAIN).run == ["a"]
    assert check_section(Posterior2dConfig, PLAIN | {"run": ["a", "b"]}).run == ["a", "b"]


@pytest.mark.parametrize(
    "wrong", [{"run": 3}, {"run": []}, {"images": [-1]}, {"images": []}, {"num_images": -1}]
)
def test_refused_in_one_line(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))) as caught:
        posterior_2d(PLAIN | wrong)
    assert "\n" not in str(caught.value)


def test_needs_a_run_with_two_latents(make_config, tmp_path):
    with pytest.raises(RunFolderError, match="not a run folder"):
        posterior_2d(PLAIN | {"run": str(tmp_path)})
    config = make_config("model.latent_dim=3")
    with RunFolder(tmp_path / "run").held(config), pytest.raises(ConfigError, match="needs 2"):
        posterior_2d(PLAIN | {"run": str(tmp_path / "run")})


def test_only_runs_on_the_same_bits_stand_side_by_side(make_config):
    first = make_config("model.latent_dim=2")
    moved = make_config("model.latent_dim=2", "data.root=/elsewhere")
    check_comparable({"a": first, "b": moved})
    other = make_config("model.latent_dim=2", "data.binarization=fixed")
    told = "run=b has data.binarization=fixed, the first run data.binarization=dynamic"
    with pytest.raises(ConfigError, match=told):
        check_comparable({"a": first, "b": other})


def test_runs_that_differ_in_the_seed_only_are_one_model(make_config):
    runs = {
        "a": make_config("flow=none", "K=0", "model.latent_dim=2", "run.name=a"),
        "b": make_config("flow=none", "K=0", "model.latent_dim=2", "seed=1", "device=cpu"),
        "c": make_config("flow=planar", "K=4", "model.latent_dim=2"),
        "x/d": make_config("flow=planar", "K=4", "model.latent_dim=2", "model.hidden=[50]"),
    }
    assert group_by_seed(runs) == {
        "none K=0": ["a", "b"],
        "planar K=4 c": ["c"],
        "planar K=4 d": ["x/d"],
    }
    with pytest.raises(ConfigError, match="run=e and a are the same model and seed"):
        group_by_seed(runs | {"e": runs["a"]})


def test_the_mean_is_that_of_the_gaps(tiny_vae):
    """KL = log p(x) − ELBO(x), with log p(x) by samples of the prior."""
    vae = tiny_vae("planar").requires_grad_(False)
    x = (torch.rand(5, 1, 4, 5) < 0.4).double()
    draw = vae.posterior(x).draw((20_000,), torch.Generator().manual_seed(1))
    elbo = elbo_terms(vae, x, draw).log_weight.mean(0)
    z = torch.randn(200_000, 2, dtype=torch.float64)
    gap = torch.stack([importance_weighted(vae.log_likelihood(z, image)) for image in x]) - elbo
    kl = mean_kl(vae, x, seed=0)
    assert kl.mean == pytest.approx(float(gap.mean()), rel=0.02)
    assert kl.median == pytest.approx(float(gap.median()), rel=0.02)
    assert kl.standard_error == pytest.approx(float(gap.std() / 5**0.5), rel=0.05)
    assert kl.missed == 0
    one = mean_kl(vae, x[:1], seed=0)
    assert one.mean == one.median
    assert one.standard_error is None


def test_panels_are_square_and_their_labels_are_beside_them(tiny_vae):
    vae = tiny_vae("planar").requires_grad_(False)
    x = (torch.rand(1, 4, 5) < 0.4).double()
    posterior = posterior_on_grid(vae, x, torch.Generator().manual_seed(0), n=50)
    (x0, y0), (x1, y1) = posterior.grid.low, posterior.grid.high
    assert x1 - x0 == pytest.approx(y1 - y0)
    pixels = to_pixels(vae, x)
    figure = posterior_figure([pixels, pixels], [[posterior], [posterior]], ["planar K=4"])
    image, p, q = figure.axes[:3]
    assert p.get_aspect() == q.get_aspect() == 1
    assert [axes.get_ylabel() for axes in (image, p, q)] == ["", "$z_2$", ""]
    assert q.get_title() == f"planar K=4\nq(z|x), KL {posterior.kl:.2f}"
    assert not figure.get_supylabel()
    assert p.images[0].get_clim() == q.images[0].get_clim()


@pytest.mark.slow
def test_the_command_averages_over_seeds(small_config, tmp_path, capsys):
    folders = []
    for seed in (0, 1):
        config = small_config("model.latent_dim=2", f"seed={seed}", "eval.num_samples=0")
        folders.append(str(tmp_path / f"run{seed}"))
        run_training(config, RunFolder(tmp_path / f"run{seed}"), StopRequest())
    capsys.readouterr()
    assert posterior_2d(PLAIN | {"run": folders, "num_images": 3}) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "run0" / "posterior_2d.png").stat().st_size > 10_000
    means = [float(value) for value in re.findall(r"seed=\d: mean (\S+) ±", out)]
    summary = re.search(r"planar K=2: mean (\S+) ± (\S+), median \S+ ± \S+ \(2 seeds\)", out)
    assert float(summary[1]) == pytest.approx(fmean(means), abs=2e-3)
    assert float(summary[2]) == pytest.approx(stdev(means), abs=2e-3)
    assert posterior_2d(PLAIN | {"run": folders[0], "num_images": 1}) == 0
    out = capsys.readouterr().out
    assert "over 1 test image:" in out
    assert re.search(r"planar K=2 seed=0: mean (\d+\.\d{3}), median \1 \(", out)
    assert posterior_2d(PLAIN | {"run": folders[0], "num_images": 0}) == 0
    assert "mean" not in capsys.readouterr().out
