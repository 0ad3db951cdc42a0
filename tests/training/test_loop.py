import json
import math

import pytest
import torch

from nfvae.config import OptimConfig
from nfvae.errors import DivergenceError
from nfvae.interruption import StopRequest
from nfvae.loading import load_vae
from nfvae.optim import learning_rate_course
from nfvae.storage.checkpoint import load_checkpoint
from nfvae.storage.run_folder import RunFolder
from nfvae.training import loop
from nfvae.training.meter import Meter
from nfvae.training.run import run_training
from nfvae.training.state import TrainingState

RESULTS = {
    "neg_elbo", "nll", "kl", "distortion", "sum_log_det", "active_units",
    "num_importance_samples", "split", "data", "binarization", "flow", "K", "latent_dim", "seed",
    "steps", "epochs", "num_parameters", "train_seconds", "steps_per_second", "device",
    "versions", "git_commit",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.mark.parametrize("flow", ["none", "planar", "radial"])
def test_loss_falls_and_results_are_whole(small_config, folder, flow):
    steps = "K=0" if flow == "none" else "K=2"
    length = ("trainer.max_steps=300", "trainer.val_every=300", "optim.warmup_steps=0")
    config = small_config(f"flow={flow}", steps, *length)
    results = run_training(config, folder, StopRequest())
    assert results.keys() >= RESULTS
    assert results["neg_elbo"] < 200  # what the pixel means alone give: 206
    assert results["neg_elbo"] == pytest.approx(results["distortion"] + results["kl"], abs=1e-3)
    assert results["nll"] < results["neg_elbo"]


def test_best_checkpoint_is_the_one_measured(small_config, folder):
    results = run_training(small_config(), folder, StopRequest())
    assert load_checkpoint(folder.best)["step"] == results["best_step"]
    assert load_vae(folder.path).generate(3).shape == (3, 784)


def test_results_name_the_commit_that_was_there_at_the_start(small_config, folder, monkeypatch):
    commit = ["that which runs"]
    train_step = TrainingState.train_step

    def step(self):
        commit[0] = "a later one"
        train_step(self)

    monkeypatch.setattr("nfvae.provenance._git_commit", lambda: commit[0])
    monkeypatch.setattr(TrainingState, "train_step", step)
    assert run_training(small_config(), folder, StopRequest())["git_commit"] == "that which runs"


def test_epochs_take_the_place_of_steps(small_config, folder):
    config = small_config("trainer.max_epochs=2", "trainer.batch_size=5000")
    assert run_training(config, folder, StopRequest())["steps"] == 20


def test_early_stopping_counts_only_after_annealing(small_config, tmp_path):
    overrides = ("optim.lr=1e-9", "trainer.early_stopping=2", "trainer.max_steps=200")
    plain = run_training(small_config(*overrides), RunFolder(tmp_path / "a"), StopRequest())
    annealing = ("objective.annealing=kl", "objective.annealing_steps=100")
    annealed = run_training(
        small_config(*overrides, *annealing), RunFolder(tmp_path / "b"), StopRequest()
    )
    assert annealed["steps"] >= 110
    assert plain["steps"] < 200


def test_divergence_names_step_and_term_and_keeps_the_checkpoint(small_config, folder, monkeypatch):
    train_step = TrainingState.train_step

    def poisoned(self):
        if self.step == 13:
            with torch.no_grad():
                self.vae.head.bias[3] = float("nan")  # a log_scale: q0 becomes NaN
        train_step(self)

    monkeypatch.setattr(TrainingState, "train_step", poisoned)
    with pytest.raises(DivergenceError, match=r"loss was not finite at step 13;.*last\.pt is kept"):
        run_training(small_config(), folder, StopRequest())
    content = load_checkpoint(folder.last)
    assert content["step"] == 10
    assert all(weight.isfinite().all() for weight in content["model"].values())
    assert not folder.results.exists()


def test_weights_that_the_last_update_broke_are_not_saved(small_config, folder, monkeypatch):
    train_step = TrainingState.train_step

    def breaking(self):
        train_step(self)
        if self.step == 20:  # a checkpoint is due, and no loss has seen these weights yet
            with torch.no_grad():
                self.vae.output.bias[0] = float("inf")

    monkeypatch.setattr(TrainingState, "train_step", breaking)
    with pytest.raises(DivergenceError, match=r"weight output\.bias was not finite after step 19"):
        run_training(small_config(), folder, StopRequest())
    assert load_checkpoint(folder.last)["step"] == 10


def test_meter_names_the_first_bad_term():
    meter = Meter(("a", "b"), torch.device("cpu"))
    meter.add(4, [torch.tensor(1.0), torch.tensor(2.0)])
    meter.check()
    meter.add(5, [torch.tensor(3.0), torch.tensor(float("inf"))])
    meter.add(6, [torch.tensor(float("nan")), torch.tensor(2.0)])
    with pytest.raises(DivergenceError, match="b was not finite at step 5"):
        meter.check()


def test_learning_rate_warms_up_and_decays_to_zero(make_config):
    config: OptimConfig = make_config("optim.warmup_steps=10").optim
    course = [learning_rate_course(config, step, 1000) for step in range(1000)]
    assert course[4] == pytest.approx(0.5, rel=1e-4)
    assert max(course) == pytest.approx(1, rel=1e-3)
    assert course[500] == pytest.approx(0.5)
    assert 0 < course[-1] < 1e-5
    assert all(math.isfinite(lr) for lr in course)


class Clock:
    """Time that passes where the test says."""

    def __init__(self):
        self.now = 0.0

    def taking(self, seconds, work):
        def timed(*args, **kwargs):
            self.now += seconds
            return work(*args, **kwargs)

        return timed


@pytest.mark.parametrize("every", [1, 7, 10])
def test_the_speed_that_is_logged_is_that_of_training_alone(
    small_config, folder, monkeypatch, every
):
    clock = Clock()
    monkeypatch.setattr("nfvae.training.loop.perf_counter", lambda: clock.now)
    step = clock.taking(0.5, TrainingState.train_step)
    monkeypatch.setattr(TrainingState, "train_step", step)
    for name in ("save_checkpoint", "estimate_elbo", "flow_histograms"):
        slow = clock.taking(100.0, getattr(loop, name))
        monkeypatch.setattr(loop, name, slow)
    config = small_config(f"trainer.checkpoint_every={every}")
    results = run_training(config, folder, StopRequest())
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    speeds = [line["system/images_per_second"] for line in lines if "train/loss" in line]
    assert speeds == [config.trainer.batch_size / 0.5] * 6
    assert results["train_seconds"] == clock.now - 100.0  # all but the last save itself
