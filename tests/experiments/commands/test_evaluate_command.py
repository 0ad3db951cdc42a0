"""evaluate.py: the same numbers again, and those of other splits."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch.nn.functional import binary_cross_entropy_with_logits

import nfvae.data
from nfvae.errors import DataError
from nfvae.experiments.commands.evaluate import evaluate
from nfvae.experiments.commands.picture import picture
from nfvae.experiments.configuration import parts
from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import EXIT_STATUS, StopRequest
from nfvae.experiments.report.models import model_graphics
from nfvae.experiments.running import measure as measuring
from nfvae.experiments.running.loading import load_vae
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.tables.collect import collect


@pytest.fixture
def make_run(small_config, tmp_path):
    def make(binarization):
        folder = RunFolder(tmp_path / binarization)
        run_training(small_config(f"data.binarization={binarization}"), folder, StopRequest())
        return folder

    return make


def composed(folder, split, **changes):
    settings = {"num_samples": 2, "elbo_draws": 2, "checkpoint": "best", "seed": 0} | changes
    plain = {"run": str(folder.path), "split": split, "device": "cpu", "num_threads": None}
    return plain | {"data": {"root": None}, "eval": settings}


def written(folder, split):
    return json.loads((folder.path / f"evaluation_{split}.json").read_text())


def test_with_the_settings_of_the_run_it_finds_what_the_run_found(make_run, capsys):
    folder = make_run("fixed")
    kept = folder.results.read_bytes()
    assert evaluate(composed(folder, "test")) == 0
    results, again = folder.read_results(), written(folder, "test")
    shared = results.keys() & again.keys()
    assert {"neg_elbo", "nll", "kl", "active_units", "split"} <= shared
    assert {"versions", "git_commit", "device", "num_threads"} <= shared
    assert {key: again[key] for key in shared} == {key: results[key] for key in shared}
    assert folder.results.read_bytes() == kept
    assert f"test −ELBO  {results['neg_elbo']:.2f} ±" in capsys.readouterr().out


def test_each_split_has_its_own_images_and_its_own_file(make_run, capsys):
    folder = make_run("fixed")
    vae, data = load_vae(folder.path), parts.load_dataset("mnist", binarization="fixed")
    for split in ("train", "val"):
        evaluate(composed(folder, split, num_samples=0))
        found = written(folder, split)
        assert found["split"] == split
        # The distortion of a model this bad hardly depends on z: the images settle it.
        x = torch.cat(list(data.splits[split].batches(1000)))
        logits = vae.decode(vae.posterior(x).sample())
        distortion = binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
        assert found["distortion"] == pytest.approx(distortion.mean().item(), abs=0.05)
    apart = written(folder, "train")["distortion"] - written(folder, "val")["distortion"]
    assert abs(apart) > 0.1  # the wrong images would have been noticed
    assert "train −ELBO " in capsys.readouterr().out


def test_tables_take_it_up(make_run):
    folder = make_run("fixed")
    evaluate(composed(folder, "test", num_samples=3, elbo_draws=4, seed=5))
    found = collect([folder.path])
    (run,), (again,) = found.runs, found.evaluations
    assert again.results.nll == written(folder, "test")["nll"] != run.results.nll
    assert again.results.num_importance_samples == 3
    assert written(folder, "test")["step"] == folder.read_results()["best_step"]
    assert again.config["eval"] == run.config["eval"] | {
        "num_samples": 3,
        "elbo_draws": 4,
        "seed": 5,
    }


def test_by_default_it_takes_5000_samples_of_the_checkpoint_that_the_run_measured():
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("evaluate", overrides=["run=somewhere"])
    assert (config.eval.num_samples, config.eval.checkpoint) == (5000, None)
    assert config.eval.elbo_draws == 10


def test_data_that_have_moved_since_are_found_where_the_command_says(make_run, tmp_path):
    folder = make_run("fixed")
    assert evaluate(composed(folder, "test")) == 0
    found = written(folder, "test")
    moved = tmp_path / "moved"
    shutil.copytree(Path(nfvae.data.__file__).parent / "mnist", moved)
    config = folder.config_file.read_text()
    assert "root: null" in config
    folder.config_file.write_text(config.replace("root: null", "root: /nowhere"))
    with pytest.raises(DataError, match="/nowhere does not exist"):
        evaluate(composed(folder, "test"))
    assert evaluate(composed(folder, "test") | {"data": {"root": str(moved)}}) == 0
    assert written(folder, "test") == found


def test_bits_drawn_anew_for_each_batch_are_refused(make_run):
    folder = make_run("dynamic")
    refusal = r"split=train .*binarization=dynamic.*allowed: val, test$"
    with pytest.raises(ConfigError, match=refusal) as told:
        evaluate(composed(folder, "train"))
    assert "\n" not in str(told.value)
    assert not (folder.path / "evaluation_train.json").exists()
    assert evaluate(composed(folder, "val")) == 0


def test_a_stop_writes_nothing(make_run, monkeypatch, capsys):
    folder = make_run("fixed")
    files = set(folder.path.rglob("*"))

    def stopped_in(estimate):
        def interrupted(*args):
            signal.raise_signal(signal.SIGTERM)
            return estimate(*args)

        return interrupted

    monkeypatch.setattr(measuring, "estimate_nll", stopped_in(measuring.estimate_nll))
    assert evaluate(composed(folder, "test")) == EXIT_STATUS
    assert set(folder.path.rglob("*")) == files
    assert "stopped by SIGTERM; nothing was written" in capsys.readouterr().err


def test_images_that_have_changed_their_shape_are_refused(small_config, tmp_path):
    images, folder = tmp_path / "mine.npy", RunFolder(tmp_path / "run")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 6, 6), dtype=np.uint8)
    np.save(images, pixels[:, 0])
    data = ("data=arrays", f"data.path={images}", "trainer.max_steps=1")
    run_training(small_config(*data), folder, StopRequest())
    np.save(images, pixels)
    refusal = r"images of shape \[3, 6, 6\], but the model needs \[1, 6, 6\]; restore the data"
    plain = {"run": str(folder.path), "file": None, "seed": 0}
    for measure_again in (
        lambda: evaluate(composed(folder, "test")),
        lambda: picture(plain),
        lambda: list(model_graphics(folder.path)),
    ):
        with pytest.raises(ConfigError, match=refusal) as told:
            measure_again()
        assert "\n" not in str(told.value)
    assert not (folder.path / "evaluation_test.json").exists()
