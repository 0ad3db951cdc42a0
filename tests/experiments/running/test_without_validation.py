"""Training on the validation images too: there is no validation, and nothing else changes."""

import json

import pytest
import torch

from nfvae.experiments.commands.evaluate import evaluate
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Training

ALL = ("data.train_on_val=true", "eval.checkpoint=last", "data.binarization=fixed")


def asked(folder, split):
    again = {"elbo_draws": 2, "num_samples": 2, "checkpoint": None, "seed": 0}
    run = {"run": str(folder.path), "split": split, "device": "cpu", "num_threads": 1}
    return run | {"data": {"root": None}, "eval": again}


@pytest.fixture
def whole(small_config, tmp_path):
    folder = RunFolder(tmp_path / "whole")
    run_training(small_config(*ALL), folder, StopRequest())
    return folder


def test_bits_drawn_anew(small_config, tmp_path):
    config = small_config(*ALL, "data.binarization=dynamic", "model.latent_dim=2")  # with pictures
    folder = RunFolder(tmp_path / "dynamic")
    assert run_training(config, folder, StopRequest())["train_on_val"] is True
    message = "split=train has no fixed images .*; allowed: test$"
    with pytest.raises(ConfigError, match=message):
        evaluate(asked(folder, "train"))


def test_a_diverged_model_is_not_restored(small_config, tmp_path, monkeypatch):
    """Finite weights whose bound is not: found before they are kept as the last good state."""
    update = Training.update
    broken = []

    def breaking(self):
        update(self)
        if self.step == 20 and not broken:
            broken.append(self.step)
            with torch.no_grad():
                self.vae.decoder.output.weight.fill_(3e38)

    monkeypatch.setattr(Training, "update", breaking)
    config = small_config(*ALL, "trainer.on_nan=rewind", "optim.decoder_lr=1e-2")
    results = run_training(config, RunFolder(tmp_path / "run"), StopRequest())
    assert broken
    assert (results["steps"], results["rewinds"]) == (30, 1)


def test_measures_the_last_step_and_says_nothing_of_validation(whole, events):
    results = whole.read_results()
    assert results["checkpoint"] == "last"
    assert results["best_step"] is None
    assert results["val_neg_elbo"] is None
    assert results["split"] == "test"
    assert results["epochs"] == 30 * 20 / 5_000
    assert not whole.best.exists()
    logged = events(whole)
    assert not any(tag.startswith("val/") for tag in logged)
    assert load_vae(whole.path).sample(2).shape == (2, 1, 28, 28)


def test_a_resumed_run_equals_an_uninterrupted_one(small_config, tmp_path, whole, stop_after):
    folder = RunFolder(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        run_training(small_config(*ALL), folder, stop_after(17))
    run_training(small_config(*ALL), folder, StopRequest())
    ours, theirs = (load_checkpoint(f.last)["model"] for f in (folder, whole))
    assert all(ours[name].equal(weight) for name, weight in theirs.items())
    assert folder.read_results()["nll"] == whole.read_results()["nll"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (ALL[:1], "leaves no images to choose the best checkpoint; give eval.checkpoint=last"),
        ((*ALL, "trainer.early_stopping=2"), "trainer.early_stopping=2 needs validation images"),
    ],
)
def test_what_needs_validation_is_refused(make_config, overrides, message):
    with pytest.raises(ConfigError, match=message):
        make_config(*overrides)


@pytest.mark.parametrize(("split", "there"), [("test", True), ("train", True), ("val", False)])
def test_measured_again(whole, split, there):
    if there:
        assert evaluate(asked(whole, split)) == 0
        results = json.loads((whole.path / f"evaluation_{split}.json").read_text())
        assert (results["split"], results["checkpoint"]) == (split, "last")
        assert results["train_on_val"] is True
        if split == "test":
            assert results["nll"] == whole.read_results()["nll"]
    else:
        with pytest.raises(ConfigError, match="split=val is empty"):
            evaluate(asked(whole, split))
