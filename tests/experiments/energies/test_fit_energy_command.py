"""Fits in folders: seeds decide, files are complete and checked, the command fits and draws."""

import io
import json
import signal
import sys
from functools import partial

import numpy as np
import pytest
import torch

from nfvae.energies import ENERGIES, UnconditionalPosterior
from nfvae.energies import fit_energy as fit_2d
from nfvae.errors import NotInvertibleError
from nfvae.experiments.commands.fit_energy import fit_energy
from nfvae.experiments.energies import worker
from nfvae.experiments.energies.comparison import ComparisonConfig, run_tasks
from nfvae.experiments.energies.task import FitTask, load_posterior, run_task
from nfvae.experiments.errors import CheckpointError, ConfigError, RunFolderError
from nfvae.experiments.figures.energy import WINDOW, Fitted, density_of, energy_figure
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.storage.checkpoint import save_checkpoint
from nfvae.flows import FLOWS
from nfvae.posterior import FlowPosterior


@pytest.fixture
def short_task(make_fit_config):
    short = (
        "K=2",
        "fit.restarts=2",
        "fit.max_steps=30",
        "fit.num_samples=32",
        "fit.annealing_steps=20",
        "optim.warmup_steps=0",
    )

    def make(*overrides: str) -> FitTask:
        names = {override.split("=")[0] for override in overrides}
        mine = [each for each in short if each.split("=")[0] not in names]
        return make_fit_config(*mine, *overrides).task

    return make


@pytest.fixture
def fast_measure(monkeypatch):
    """Measure by fewer samples and cells; the full size is measured in test_kl."""
    from nfvae.energies import kl
    from nfvae.experiments.energies import task
    from nfvae.grid import Grid

    by_samples = partial(kl.kl_by_samples, num_samples=20_000)
    monkeypatch.setattr(task, "kl_by_samples", by_samples)
    on_grid = partial(kl.kl_on_grid, grid=Grid.square(8.0, 100))
    monkeypatch.setattr(task, "kl_on_grid", on_grid)


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
    assert "U2_planar_K2_seed0: start 4 of 4: KL(q‖p) " in out
    assert f"U2 planar K=2: KL(q‖p) {results['kl']:.4f} ± {results['kl_se']:.4f} nats" in out


@pytest.mark.usefixtures("fast_measure")
@pytest.mark.parametrize("flow", ["planar", "nice"])
def test_the_best_start_is_kept(short_task, tmp_path, flow):
    """Planar flows are fitted all at once, NICE, which has weights, one after the other."""
    lines = []
    task = short_task(f"flow={flow}", "fit.restarts=4", "energy=U3")
    results = run_task(task, tmp_path, StopRequest(), lines.append)
    kls = results["restart_kls"]
    assert len(set(kls)) == len(lines) == 4
    assert max(kls) - min(kls) > 0.1
    assert results["kl"] == pytest.approx(min(kls), abs=0.05)  # by other samples


@pytest.mark.usefixtures("fast_measure")
def test_a_start_that_diverges_does_not_stop_the_others(short_task, tmp_path, monkeypatch):
    task = short_task("fit.restarts=3")
    posterior = FitTask.posterior

    def one_is_nan(task, batch_shape=()):
        made = posterior(task, batch_shape)
        if batch_shape:
            made.loc.data[1] = torch.nan
        return made

    monkeypatch.setattr(FitTask, "posterior", one_is_nan)
    results = run_task(task, tmp_path, StopRequest())
    assert [kl is None for kl in results["restart_kls"]] == [False, True, False]
    assert results["kl"] < 10


def test_a_fit_in_a_batch_is_the_fit_alone():
    """Also where the gradient is clipped: each q by its own norm."""
    batch = UnconditionalPosterior(FLOWS["planar"](2, 3), (2,)).double()
    alone = batch.members()[0]
    with torch.no_grad():
        batch.loc[1] += 30.0  # a gradient far larger than that of the other
    for clip in (None, 0.5):
        kls = []
        for posterior in (batch, alone):
            noise = torch.Generator().manual_seed(0)
            draws = torch.randn(20, 16, 2, 2, generator=noise, dtype=torch.float64)
            steps = iter(draws if posterior is batch else draws[:, :, 0])
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(FlowPosterior, "_noise", lambda *_, steps=steps: next(steps))
                optimizer = torch.optim.SGD(posterior.parameters(), lr=0.01)
                fit_2d(posterior, ENERGIES["U1"], 20, optimizer=optimizer, grad_clip=clip)
            kls.append(posterior.loc.detach().view(-1, 2)[0])
        torch.testing.assert_close(*kls)


def test_a_batch_would_share_the_weights_of_a_flow():
    with pytest.raises(ValueError, match="NICE has its own weights"):
        UnconditionalPosterior(FLOWS["nice"](2, 2), (3,))


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
    ("fit.restarts=0", "fit.restarts=0", "greater than or equal to 1"),
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
def test_planar_32_reaches_the_target(make_fit_config, tmp_path):
    task = make_fit_config("energy=U1", "flow=planar", "K=32", "fit.restarts=2").task
    results = run_task(task, tmp_path, StopRequest())
    assert results["kl_grid"] < 0.1
    assert results["kl"] < 0.1


def test_a_signal_ends_a_fit(short_task, tmp_path):
    stop = StopRequest()
    stop.signal = signal.SIGTERM
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_task(short_task(), tmp_path, stop)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_comparison_in_processes_is_what_one_process_finds(short_task, tmp_path):
    tasks = [short_task("fit.max_steps=5", f"seed={seed}") for seed in (0, 1, 2)]
    told = []
    found = run_tasks(tasks, tmp_path, 2, StopRequest(), told.append)
    assert set(found) == {task.name for task in tasks}
    assert sorted(results["seed"] for results in told) == [0, 1, 2]
    alone = run_task(tasks[0], tmp_path / "alone", StopRequest())
    assert alone["kl"] == found[tasks[0].name]["kl"]


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
    figure = energy_figure({name: [Fitted("none K=0", q, 1.25)] for name in ("U1", "U2")})
    assert [axes.get_title() for axes in figure.axes] == [
        "target U1", "none K=0\nKL 1.250", "target U2", "none K=0\nKL 1.250",
    ]  # fmt: skip
    for axes in figure.axes:  # large enough to read, at the resolution of the file
        assert axes.get_aspect() == 1
    width, height = figure.get_size_inches() * 110 / 2
    assert min(width, height) > 180


def test_a_worker_prints_what_its_encoding_lacks(short_task, tmp_path, monkeypatch):
    def run_task(task, folder, stop, on_start):
        on_start("KL(q‖p) 0.1")

    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # `protect_output` replaces both
    monkeypatch.setattr(worker, "run_task", run_task)
    hangup = signal.getsignal(signal.SIGHUP)
    try:
        assert worker.main(short_task().model_dump_json(), str(tmp_path)) == 0
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert output.getvalue() == b"KL(q?p) 0.1\n"


def test_weights_that_are_not_finite_are_refused(short_task, tmp_path):
    task = short_task()
    weights = task.posterior().double().state_dict()
    save_checkpoint(tmp_path / "posterior.pt", {"posterior": weights})
    load_posterior(task, tmp_path)
    next(iter(weights.values())).fill_(torch.nan)
    save_checkpoint(tmp_path / "posterior.pt", {"posterior": weights})
    with pytest.raises(CheckpointError, match="is not finite"):
        load_posterior(task, tmp_path)
