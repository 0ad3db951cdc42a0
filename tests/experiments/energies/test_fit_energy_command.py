"""Fits in folders: seeds decide, files are complete and checked, the command fits and draws."""

import json
import signal

import numpy as np
import pytest
import torch

from nfvae.energies import UnconditionalPosterior
from nfvae.errors import NotInvertibleError
from nfvae.experiments.commands.fit_energy import fit_energy
from nfvae.experiments.energies.comparison import ComparisonConfig, run_tasks
from nfvae.experiments.energies.task import FitTask, load_posterior, run_task
from nfvae.experiments.errors import CheckpointError, ConfigError, RunFolderError
from nfvae.experiments.figures.energy import WINDOW, density_of, energy_figure
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.flows import FLOWS


@pytest.fixture
def short_task(make_fit_config):
    def make(*overrides: str) -> FitTask:
        return make_fit_config(
            "K=2", "fit.max_steps=30", "fit.num_samples=32", "fit.annealing_steps=20", *overrides
        ).task

    return make


@pytest.fixture
def fast_measure(monkeypatch):
    """Measure by fewer samples and cells; the full size is measured in test_kl."""
    from nfvae.energies import kl
    from nfvae.experiments.energies import task
    from nfvae.grid import Grid

    monkeypatch.setattr(
        task, "kl_by_samples", lambda q, u, z, g: kl.kl_by_samples(q, u, z, g, 20_000)
    )
    small = Grid.square(8.0, 100)
    monkeypatch.setattr(task, "kl_on_grid", lambda q, u, z: kl.kl_on_grid(q, u, z, small))


@pytest.mark.usefixtures("fast_measure")
@pytest.mark.parametrize("flow", ["planar", "nice"])
def test_seed_decides_everything(short_task, tmp_path, flow):
    task = short_task(f"flow={flow}")
    one = run_task(task, tmp_path / "one", StopRequest())
    torch.rand(7)  # whatever the global generator did before
    two = run_task(task, tmp_path / "two", StopRequest())
    other = run_task(short_task(f"flow={flow}", "seed=1"), tmp_path / "other", StopRequest())
    assert one["kl"] == two["kl"] != other["kl"]
    for file in ("samples.npy", "posterior.pt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.usefixtures("fast_measure")
def test_the_files_of_a_fit(short_task, tmp_path):
    task = short_task()
    results = run_task(task, tmp_path, StopRequest())
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert FitTask.model_validate(results["config"]) == task
    assert results["free_energy"] == results["kl"] - results["log_z"]
    assert results["num_parameters"] == 2 * 5 + 4
    samples = np.load(tmp_path / "samples.npy", allow_pickle=False)
    assert samples.shape == (10_000, 2)
    again = load_posterior(task, tmp_path).draw((100_000,), torch.Generator().manual_seed(1)).z
    error = samples.std(0) / 100  # of a mean of 10,000
    assert (abs(samples.mean(0) - again.mean(0).numpy()) < 5 * error).all()
    assert samples.std(0) == pytest.approx(again.std(0).numpy(), rel=0.05)


@pytest.mark.usefixtures("fast_measure")
def test_the_command_fits_and_draws(make_fit_config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = make_fit_config("K=2", "energy=U2", "fit.max_steps=5", "fit.num_samples=32")
    assert fit_energy(short.model_dump()) == 0
    folder = tmp_path / "outputs" / "U2_planar_K2_seed0"
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "figure.png").stat().st_size > 10_000
    out = capsys.readouterr().out
    assert f"U2 planar K=2: KL(q‖p) {results['kl']:.4f} ± {results['kl_se']:.4f} nats" in out


@pytest.mark.usefixtures("fast_measure")
def test_complete_fits_are_kept_and_others_refused(short_task, tmp_path):
    results = run_task(short_task(), tmp_path, StopRequest())
    written = (tmp_path / "results.json").stat().st_mtime_ns
    assert run_task(short_task(), tmp_path, StopRequest()) == results
    assert (tmp_path / "results.json").stat().st_mtime_ns == written
    with pytest.raises(RunFolderError, match="another configuration"):
        run_task(short_task("optim.lr=0.1"), tmp_path, StopRequest())
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(RunFolderError, match="delete it"):
        run_task(short_task(), tmp_path, StopRequest())


@pytest.mark.usefixtures("fast_measure")
def test_foreign_and_hostile_parameters_are_refused(short_task, tmp_path):
    run_task(short_task(), tmp_path, StopRequest())
    with pytest.raises(CheckpointError, match="does not fit"):
        load_posterior(short_task().model_copy(update={"K": 3}), tmp_path)
    torch.save({"format": 1, "posterior": pytest.raises}, tmp_path / "posterior.pt")
    with pytest.raises(CheckpointError, match="could run code"):
        load_posterior(short_task(), tmp_path)


BAD = [
    ("energy=U9", "energy=U9", "'U1', 'U2', 'U3' or 'U4'"),
    ("K=-1", "K=-1", "greater than or equal to 0"),
    ("fit.max_steps=0", "fit.max_steps=0", "greater than or equal to 1"),
    ("fit.annealing_start=2", "fit.annealing_start=2", "less than or equal to 1"),
    ("optim.lr=nan", "optim.lr=nan", "finite number"),
    ("num_workers=0", "num_workers=0", "greater than or equal to 1"),
    ("+foo=1", "foo is not a key", "comparison"),
    ("flow.constraint=none", "flow.constraint=none", "'identity' or 'paper'"),
    ("flow.name=planr", "flow.name=planr", "planar"),
    ("flow=sylvester_orthogonal flow.num_vectors=3", "num_vectors", "2"),
]


@pytest.mark.parametrize(("overrides", "key", "allowed"), BAD, ids=[row[0] for row in BAD])
def test_refused_in_one_line(make_fit_config, overrides, key, allowed):
    with pytest.raises(ConfigError) as caught:
        make_fit_config(*overrides.split()).task.posterior()
    message = str(caught.value)
    assert key in message
    assert allowed in message
    assert "\n" not in message


def test_figure_3_is_the_papers(make_fit_config):
    config = make_fit_config("comparison=rezende_figure3", "seed=5")
    assert isinstance(config.comparison, ComparisonConfig)
    tasks = config.comparison.tasks(config.task)
    assert len({task.name for task in tasks}) == 24
    assert {task.seed for task in tasks} == {5}
    assert [task.title for task in tasks[:6]] == [
        f"{flow} K={K}" for flow in ("planar", "nice") for K in (2, 8, 32)
    ]
    for task in tasks:
        task.posterior()


@pytest.mark.slow
@pytest.mark.parametrize(("energy", "at_most"), [("U1", 0.1), ("U4", 0.2)])
def test_planar_32_reaches_the_target(make_fit_config, tmp_path, energy, at_most):
    task = make_fit_config(f"energy={energy}", "flow=planar", "K=32").task
    results = run_task(task, tmp_path, StopRequest())
    assert results["kl_grid"] < at_most
    assert results["kl"] < at_most


def test_a_signal_ends_a_fit(short_task, tmp_path):
    stop = StopRequest()
    stop.signal = signal.SIGTERM
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_task(short_task(), tmp_path, stop)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_comparison_in_processes_is_what_one_process_finds(short_task, tmp_path):
    tasks = [short_task("fit.max_steps=5", f"seed={seed}") for seed in (0, 1, 2)]
    found = list(run_tasks(tasks, tmp_path, 2, StopRequest()))
    assert sorted(results["seed"] for results in found) == [0, 1, 2]
    alone = run_task(tasks[0], tmp_path / "alone", StopRequest())
    assert alone["kl"] == next(results["kl"] for results in found if results["seed"] == 0)


def test_figure_counts_samples_where_there_is_no_inverse(monkeypatch):
    torch.manual_seed(0)
    q = UnconditionalPosterior(FLOWS["none"](2, 0)).double().requires_grad_(False)()
    exact = density_of(q, WINDOW)

    def refuse(z):
        raise NotInvertibleError("none")

    monkeypatch.setattr(q, "log_prob", refuse)
    counted = density_of(q, WINDOW, num_samples=400_000)
    assert float((counted - exact).abs().mean() / exact.mean()) < 0.2
    cell = np.exp(WINDOW.log_cell)
    assert float(counted.sum() * cell) == pytest.approx(float(exact.sum() * cell), abs=1e-3)
    figure = energy_figure({"U1": [(q, 1.0)], "U2": [(q, 2.0)]}, ["none"])
    assert len(figure.axes) == 4
