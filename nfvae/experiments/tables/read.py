"""A run as its folder's files tell it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.storage.config_file import look_up, read_config_file
from nfvae.experiments.storage.history import latest
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.tables.results import (
    Conditions,
    Evaluation,
    Measured,
    Results,
    Run,
    Unfinished,
    check,
)

FIT_KEYS = {"energy", "fits"}  # what results of flows fitted to 2-D energies have
SECTIONS = ("data", "model", "flow", "optim", "objective", "trainer", "eval")


def read_run(folder: Path) -> Run | None:
    """A complete run: results.json and, if it was kept, config.yaml. None where it is a 2-D fit."""
    file = folder / "results.json"
    content = read_results_json(file, set())
    if FIT_KEYS & content.keys():
        return None
    config_file = folder / "config.yaml"
    if not config_file.exists():
        return Run(folder, check(Results, file, content), None)
    config = _read_config(config_file)
    content.setdefault("train_on_val", _trained_on_val(config))
    results = check(Results, file, content)
    _check_belongs(config_file, config, results)
    return Run(folder, results, config)


def _read_config(file: Path) -> dict[str, Any]:
    config = read_config_file(file)
    if not all(isinstance(config.get(name, {}), Mapping) for name in SECTIONS):
        raise ResultsError(f"{file} is not the configuration of a run")
    return config


def _trained_on_val(config: Mapping[str, Any]) -> bool:
    return look_up(config, "data.train_on_val") is True  # a config.yaml older than the key lacks it


def _check_belongs(file: Path, config: Mapping[str, Any], results: Results) -> None:
    """The settings that a table tells of are those that the results were made with."""
    told = {
        "flow.name": results.flow,
        "K": results.K,
        "seed": results.seed,
        "protocol": results.protocol,
        "data.name": results.data,
        "data.binarization": results.binarization,
        "model.latent_dim": results.latent_dim,
        "eval.checkpoint": results.checkpoint,
        "eval.num_samples": results.num_importance_samples,
    }
    said = {key: look_up(config, key) for key in told}
    told["data.train_on_val"] = results.train_on_val
    said["data.train_on_val"] = _trained_on_val(config)
    for key, value in told.items():
        if (found := said[key]) != value:
            raise ResultsError(
                f"{file} says {key}={found}, results.json beside it was made with {key}={value}; "
                "put the config.yaml of that run back"
            )


def read_evaluations(run: Run) -> list[Run]:
    """The run with the numbers of each evaluation_*.json, and the configuration that gives them.

    An evaluation under the conditions of the run's own results is left out: those stand for it.
    """
    files = sorted(run.path.glob("evaluation_*.json"))
    evaluated = (_evaluated(run, file) for file in files)
    return [again for again in evaluated if again.results.conditions != run.results.conditions]


def _evaluated(run: Run, file: Path) -> Run:
    found = check(Evaluation, file, read_results_json(file, set()))
    if file.name != f"evaluation_{found.split}.json":
        raise ResultsError(f"{file} is of split={found.split}, so its name is wrong; move it away")
    results = run.results.model_copy(
        update={name: getattr(found, name) for name in Measured.model_fields}
    )
    _check_up_to_date(run.results, results, found, file)
    if run.config is None:
        return Run(file, results, None)
    measured = {
        "checkpoint": found.checkpoint,
        "num_samples": found.num_importance_samples,
        "elbo_draws": found.elbo_draws,
        "seed": found.eval_seed,
    }
    told = {key: value for key, value in measured.items() if value is not None}
    return Run(file, results, {**run.config, "eval": {**run.config["eval"], **told}})


def _check_up_to_date(own: Results, results: Results, found: Evaluation, file: Path) -> None:
    """The evaluation is of the model that the run ended with, on the run's data."""
    now = {
        "step": (found.step, results.measured_step),
        "data.binarization": (found.binarization, own.binarization),
        "data.train_on_val": (found.train_on_val, own.train_on_val),
    }
    for key, (was, is_now) in now.items():
        if None not in (was, is_now) and was != is_now:
            raise ResultsError(
                f"{file} is of {key}={was}, the run's {found.checkpoint} checkpoint of "
                f"{key}={is_now}; evaluate it again, or delete the file"
            )


def read_unfinished(folder: Path) -> Unfinished | None:
    """What config.yaml and metrics.jsonl say of a run that is under way or was cut off.

    None where config.yaml is that of something other than a training run.
    """
    file = folder / "config.yaml"
    config = _read_config(file)
    if "trainer" not in config:
        return None
    try:
        epochs, steps = (config["trainer"][name] for name in ("max_epochs", "max_steps"))
        content = {
            "path": folder,
            "conditions": Conditions(
                data=config["data"]["name"],
                binarization=config["data"]["binarization"],
                split="test",
                train_on_val=_trained_on_val(config),
                latent_dim=config["model"]["latent_dim"],
                num_importance_samples=config["eval"]["num_samples"],
            ),
            "protocol": config.get("protocol"),
            "flow": config["flow"]["name"],
            "K": config["K"],
            "seed": config["seed"],
            "step": _last_step(folder / "metrics.jsonl"),
            "budget": f"{epochs} epochs" if epochs else f"{steps} steps",
        }
    except (KeyError, TypeError):
        raise ResultsError(f"{file} is not the configuration of a run") from None
    return check(Unfinished, file, content)


def _last_step(metrics: Path) -> int:
    """The step of the last whole line; 0 before the first."""
    try:
        return next((step for step, _ in latest(metrics)), 0)
    except OSError as error:
        raise ResultsError(f"cannot read {metrics}: {error.strerror}") from None
