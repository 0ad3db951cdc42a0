"""Read a run from the files in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import ResultsError, one_line
from nfvae.experiments.storage.config_file import flatten, read_config_file
from nfvae.experiments.storage.history import latest
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.tables.results import (
    Evaluation,
    Made,
    Measured,
    Results,
    Run,
    Unfinished,
    check,
)

ENERGY_FIT_KEYS = {"energy", "fits"}  # of results of flows fitted to 2-D energies
SECTIONS = ("data", "model", "flow", "optim", "trainer", "eval")
MORE_SECTIONS = ("likelihood", "prior", "objective")  # which nfvae 0.1 need not have
# Keys that nfvae 0.1 wrote for every optimizer, and the one optimizer that used each.
UNUSED_UNLESS = {"optim.betas": "adam", "optim.momentum": "rmsprop"}
# Entry of results.json -> the key of config.yaml with the same value.
SAME = {
    "flow": "flow.name",
    "K": "K",
    "seed": "seed",
    "protocol": "protocol",
    "data": "data.name",
    "binarization": "data.binarization",
    "train_on_val": "data.train_on_val",
    "latent_dim": "model.latent_dim",
    "checkpoint": "eval.checkpoint",
    "num_importance_samples": "eval.num_samples",
    "likelihood": "likelihood.name",
    "prior": "prior.name",
    "model": "model.name",
}


def read_run(folder: Path) -> Run | None:
    """A complete run: results.json and, if it was kept, config.yaml. None for a 2-D fit.

    Raises:
        ResultsError, RunFolderError: a file is damaged, or the files belong to different runs.
    """
    file, config_file = folder / "results.json", folder / "config.yaml"
    content = read_results_json(file)
    if ENERGY_FIT_KEYS & content.keys():
        return None
    config = _read_config(config_file) if config_file.exists() else None
    results = check(Results, file, _entries(config or {}) | content)
    for name, found in _entries(config or {}).items():
        if found != getattr(results, name):
            raise ResultsError(
                f"{config_file} has {SAME[name]}={one_line(found)}, but the results.json beside it "
                f"was made with {SAME[name]}={getattr(results, name)}; restore the config.yaml of "
                "that run"
            )
    return Run(folder, results, config, check(Made, file, content))


def _read_config(file: Path) -> dict[str, Any]:
    """A run's config.yaml, without keys that nfvae 0.1 wrote and did not use."""
    config = read_config_file(file)
    present = [*SECTIONS, *(name for name in MORE_SECTIONS if name in config)]
    if not all(isinstance(config.get(name), Mapping) for name in present):
        raise ResultsError(f"{file} is not the configuration of a run")
    optim = config["optim"]
    for key, user in UNUSED_UNLESS.items():
        if optim.get("name") != user:
            optim.pop(key.removeprefix("optim."), None)
    return config


def _entries(config: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of results.json that a configuration also has."""
    flat = dict(flatten(config))
    return {name: flat[key] for name, key in SAME.items() if key in flat}


def read_evaluation(run: Run, file: Path) -> Run:
    """The run with the numbers and the `eval` settings of an evaluation_*.json.

    Raises:
        ResultsError, RunFolderError: the file is damaged, misnamed or of another model.
    """
    found = check(Evaluation, file, read_results_json(file))
    if file.name != f"evaluation_{found.split}.json":
        raise ResultsError(
            f"{file} has split={found.split}, which does not match its name; rename it"
        )
    own = run.results
    results = own.model_copy(update={name: getattr(found, name) for name in Measured.model_fields})
    expected = {
        "step": (found.step, results.measured_step),
        "data.binarization": (found.binarization, own.binarization),
        "data.train_on_val": (found.train_on_val, own.train_on_val),
    }
    for key, (of_file, of_run) in expected.items():
        if None not in (of_file, of_run) and of_file != of_run:
            raise ResultsError(
                f"{file} has {key}={of_file}, but the run's {found.checkpoint} checkpoint has "
                f"{key}={of_run}; evaluate it again, or delete the file"
            )
    settings = {
        "checkpoint": found.checkpoint,
        "num_samples": found.num_importance_samples,
        "elbo_draws": found.elbo_draws,
        "seed": found.eval_seed,
    }
    known = {key: value for key, value in settings.items() if value is not None}
    config = run.config and {**run.config, "eval": {**run.config["eval"], **known}}
    return Run(run.path, results, config, run.made)


def read_unfinished(folder: Path) -> Unfinished | None:
    """An unfinished run from its config.yaml and metrics.jsonl; None for a folder of another kind.

    Raises:
        ResultsError, RunFolderError: a file is damaged.
    """
    file, metrics = folder / "config.yaml", folder / "metrics.jsonl"
    if "trainer" not in read_config_file(file):
        return None
    config = _read_config(file)
    try:
        step = next((step for step, _ in latest(metrics)), 0)
    except OSError as error:
        raise ResultsError(f"{metrics} cannot be read: {error.strerror}") from None
    content = {**config["trainer"], **_entries(config), "path": folder, "step": step}
    return check(Unfinished, file, content | {"split": "test"})
