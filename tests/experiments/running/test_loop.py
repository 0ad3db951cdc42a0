import json
import math
import signal
from dataclasses import replace

import pytest
import torch

from nfvae.errors import DivergenceError
from nfvae.evaluation import estimate_elbo
from nfvae.experiments.configuration import parts
from nfvae.experiments.configuration.build import fit_arguments
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.monitoring import run_log
from nfvae.experiments.running import callbacks as run_callbacks
from nfvae.experiments.running import measure as training_results
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.running.measure import measure
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Training, callbacks
from nfvae.training.meter import Meter
from nfvae.training.schedule import warmup_decay

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
    assert [results[f"num_{split}"] for split in ("train", "val", "test")] == [5000, 1000, 1000]


@pytest.fixture
def found(monkeypatch):
    """Let validations find what a test says, one −ELBO after the other."""

    def script(*bounds):
        left = iter(bounds)

        def estimate(*args):
            return replace(estimate_elbo(*args), neg_elbo=next(left))

        monkeypatch.setattr(callbacks, "estimate_elbo", estimate)

    return script


def test_the_best_checkpoint_is_the_one_measured(small_config, folder, found):
    found(100.0, 105.0, 103.0)
    config = small_config()
    results = run_training(config, folder, StopRequest())
    assert (results["best_step"], results["val_neg_elbo"]) == (10, 100.0)
    assert load_checkpoint(folder.best)["step"] == 10
    test = parts.load_dataset("mnist").test
    best, last = (
        measure(load_vae(folder.path, which), test, "test", config.eval, which, StopRequest())
        for which in ("best", "last")
    )
    assert results["neg_elbo"] == best["neg_elbo"] != last["neg_elbo"]
    assert results["nll"] == best["nll"]


def test_validation_and_test_have_images_of_their_own(small_config, folder, monkeypatch):
    seen = {callbacks: [], training_results: []}
    for module, splits in seen.items():

        def estimate(vae, split, *args, splits=splits):
            splits.append(split.images)
            return estimate_elbo(vae, split, *args)

        monkeypatch.setattr(module, "estimate_elbo", estimate)
    run_training(small_config(), folder, StopRequest())
    data = parts.load_dataset("mnist")
    for module, split, times in ((callbacks, data.val, 3), (training_results, data.test, 1)):
        assert [torch.equal(images, split.images) for images in seen[module]] == [True] * times


def test_results_name_the_commit_that_was_there_at_the_start(small_config, folder, monkeypatch):
    commit = ["that which runs"]
    update = Training.update

    def step(self):
        commit[0] = "a later one"
        update(self)

    monkeypatch.setattr("nfvae.experiments.running.provenance._git_commit", lambda root: commit[0])
    monkeypatch.setattr(Training, "update", step)
    assert run_training(small_config(), folder, StopRequest())["git_commit"] == "that which runs"


def test_epochs_take_the_place_of_steps(small_config, folder):
    config = small_config("trainer.max_epochs=2", "trainer.batch_size=500")
    assert run_training(config, folder, StopRequest())["steps"] == 20
    training = Training(**fit_arguments(config, parts.load_dataset("mnist"), torch.device("cpu")))
    training.step = 10  # of 20, not of trainer.max_steps
    assert training.lr_factor == warmup_decay(20, config.optim.warmup_steps)(10)


COURSE = (5.0, 4.0, 4.5, 3.0, 3.5, 3.6, 2.0)
WORSE = (5.0, 6.0, 7.0, 8.0, 9.0)
KL = ("objective.annealing=kl", "objective.annealing_steps=25")


@pytest.mark.parametrize(
    ("bounds", "overrides", "stopped"),
    [(COURSE, (), 60), (WORSE, (), 30), (WORSE, KL, 40)],  # with KL, β is 1 from step 25 on
)
def test_early_stopping_counts_validations_without_a_better_one(
    small_config, folder, found, bounds, overrides, stopped
):
    found(*bounds)
    length = ("trainer.early_stopping=2", "trainer.max_steps=200")
    results = run_training(small_config(*length, *overrides), folder, StopRequest())
    assert results["steps"] == stopped


def test_an_interrupted_run_goes_on_counting(small_config, folder, found, monkeypatch):
    found(*COURSE)
    config = small_config("trainer.early_stopping=2", "trainer.max_steps=200")
    update, stop = Training.update, StopRequest()

    def step(self):
        update(self)
        if self.step == 55:
            stop.signal = signal.SIGTERM

    monkeypatch.setattr(Training, "update", step)
    with pytest.raises(Interrupted):
        run_training(config, folder, stop)
    assert run_training(config, folder, StopRequest())["steps"] == 60


def test_divergence_names_step_and_term_and_keeps_the_checkpoint(small_config, folder, monkeypatch):
    update = Training.update

    def poisoned(self):
        if self.step == 13:
            with torch.no_grad():
                self.vae.head.bias[3] = float("nan")  # a log_scale: q0 becomes NaN
        update(self)

    monkeypatch.setattr(Training, "update", poisoned)
    with pytest.raises(DivergenceError, match=r"loss was not finite at step 13;.*last\.pt is kept"):
        run_training(small_config(), folder, StopRequest())
    content = load_checkpoint(folder.last)
    assert content["step"] == 10
    assert all(weight.isfinite().all() for weight in content["model"].values())
    assert not folder.results.exists()


def test_weights_that_the_last_update_broke_are_not_saved(small_config, folder, monkeypatch):
    update = Training.update

    def breaking(self):
        update(self)
        if self.step == 20:  # a checkpoint is due, and no loss has seen these weights yet
            with torch.no_grad():
                self.vae.decoder.output.bias[0] = float("inf")

    monkeypatch.setattr(Training, "update", breaking)
    with pytest.raises(
        DivergenceError, match=r"weight decoder\.output\.bias was not finite after step 19"
    ):
        run_training(small_config(), folder, StopRequest())
    assert load_checkpoint(folder.last)["step"] == 10


def test_meter_names_the_first_bad_term():
    meter = Meter(("a", "b"), torch.device("cpu"))
    meter.add(4, torch.tensor([1.0, 2.0]))
    meter.check()
    meter.add(5, torch.tensor([3.0, float("inf")]))
    meter.add(6, torch.tensor([float("nan"), 2.0]))
    with pytest.raises(DivergenceError, match="b was not finite at step 5"):
        meter.check()


def test_an_unknown_decay_is_refused():
    with pytest.raises(ValueError, match=r"^decay must be one of none, cosine, got 'cosin'$"):
        warmup_decay(10, decay="cosin")


def test_learning_rate_warms_up_and_decays_to_zero():
    rates = [warmup_decay(1000, warmup_steps=10)(step) for step in range(1000)]
    assert rates[4] == pytest.approx(0.5, rel=1e-4)
    assert max(rates) == pytest.approx(1, rel=1e-3)
    assert rates[500] == pytest.approx(0.5)
    assert 0 < rates[-1] < 1e-5
    assert all(math.isfinite(lr) for lr in rates)
    steady = warmup_decay(1000, warmup_steps=10, decay="none")
    assert [steady(step) for step in (4, 9, 500, 999)] == [0.5, 1, 1, 1]


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
    monkeypatch.setattr("nfvae.training.stopwatch.perf_counter", lambda: clock.now)
    step = clock.taking(0.5, Training.update)
    monkeypatch.setattr(Training, "update", step)
    slow_parts = {
        "save_checkpoint": run_callbacks,
        "estimate_elbo": callbacks,
        "flow_histograms": run_log,
    }
    for name, module in slow_parts.items():
        monkeypatch.setattr(module, name, clock.taking(100.0, getattr(module, name)))
    config = small_config(f"trainer.checkpoint_every={every}")
    results = run_training(config, folder, StopRequest())
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    speeds = [line["system/images_per_second"] for line in lines if "train/loss" in line]
    assert speeds == [config.trainer.batch_size / 0.5] * 6
    assert results["train_seconds"] == clock.now
