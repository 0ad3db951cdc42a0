"""Folders of runs whose numbers are made up, and short enough to check by hand."""

import json
from pathlib import Path

import pytest
import yaml

RESULTS = {
    "neg_elbo": 90.0,
    "neg_elbo_se": 0.25,
    "distortion": 64.0,
    "kl": 26.0,
    "sum_log_det": 1.0,
    "active_units": 20,
    "nll": 86.0,
    "nll_se": 0.125,
    "num_importance_samples": 5000,
    "split": "test",
    "data": "mnist",
    "binarization": "fixed",
    "flow": "planar",
    "K": 10,
    "latent_dim": 40,
    "seed": 0,
    "protocol": "ours",
    "checkpoint": "best",
    "steps": 50000,
    "num_parameters": 1000,
}


def config_of(results: dict, sections: dict) -> dict:
    """The configuration that belongs to results, with entries of its sections replaced."""
    config = {
        "K": results["K"],
        "seed": results["seed"],
        "device": "auto",
        "protocol": results["protocol"],
        "run": {"dir": None, "name": None},
        "data": {"name": results["data"], "binarization": results["binarization"]},
        "model": {"latent_dim": results["latent_dim"], "hidden": [400], "activation": "silu"},
        "flow": {"name": results["flow"]},
        "optim": {"name": "adam", "lr": 0.001},
        "trainer": {"max_steps": 50000, "max_epochs": None, "num_threads": 1},
        "eval": {"num_samples": results["num_importance_samples"], "checkpoint": "best"},
    }
    return config | {name: config[name] | changes for name, changes in sections.items()}


@pytest.fixture
def write_run(tmp_path):
    """Write results.json (with `config`, config.yaml too); arguments replace its entries."""

    def write(name: str, config: dict | None = None, **changes) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(RESULTS | changes))
        if config is not None:
            content = config_of(RESULTS | changes, config)
            (folder / "config.yaml").write_text(yaml.safe_dump(content))
        return folder

    return write


@pytest.fixture
def write_unfinished(write_run):
    """Write the folder of a run that was cut off."""

    def write(name: str, log: str = "", config: dict | None = None, **changes) -> Path:
        folder = write_run(name, config or {}, **changes)
        (folder / "results.json").unlink()
        if log:
            (folder / "metrics.jsonl").write_text(log)
        return folder

    return write
