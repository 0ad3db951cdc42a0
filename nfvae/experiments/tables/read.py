"""Read a run from the files in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import ResultsError, one_line
from nfvae.experiments.storage.config_file import look_up, read_config_file
from nfvae.experiments.storage.history import latest
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.tables.results import (
    BERNOULLI,
    MLP,
    Conditions,
    Evaluation,
    Measured,
    Results,
    Run,
    Unfinished,
    check,
)

UNBINARIZED = "none"
ENERGY_FIT_KEYS = {"energy", "fits"}  # of results of flows fitted to 2-D energies
SECTIONS = ("data", "model", "likelihood", "flow", "optim", "objective", "trainer", "eval")
# Keys that nfvae 0.1 wrote for every optimizer, and the one optimizer that used each.
UNUSED_UNLESS = {"betas": "adam", "momentum": "rmsprop"}


def read_run(folder: Path) -> Run | None:
    """A complete run: results.json and, if it was kept, config.yaml. None for a 2-D fit.

    Raises:
        ResultsError, RunFolderError: a file is damaged, or the files belong to different runs.
    """
    file = folder / "results.json"
    content = read_results_json(file)
    if ENERGY_FIT_KEYS & content.keys():
        return None
    config_file = folder / "config.yaml"
    config = _read_config(config_file) if config_file.exists() else None
    _fill_in(content, config)
    results = check(Results, file, content)
    if config is not None:
        _check_same_run(config_file, config, results)
    return Run(folder, results, config)


def _read_config(file: Path) -> dict[str, Any]:
    """A run's config.yaml; that of nfvae 0.1 is converted to the keys of this version."""
    config = read_config_file(file)
    config.setdefault("likelihood", {"name": BERNOULLI})
    if not all(isinstance(config.get(name, {}), Mapping) for name in SECTIONS):
        raise ResultsError(f"{file} is not the configuration of a run")
    optim = config.get("optim", {})
    config["optim"] = {
        key: value
        for key, value in optim.items()
        if UNUSED_UNLESS.get(key, optim.get("name")) == optim.get("name")
    }
    return config


def _fill_in(content: dict[str, Any], config: Mapping[str, Any] | None) -> None:
    """Add keys that results of nfvae 0.1 lack, from the configuration."""
    config = {} if config is None else config
    defaults = {
        "train_on_val": _trained_on_val(config),
        "likelihood": look_up(config, "likelihood.name") or BERNOULLI,
        "model": look_up(config, "model.name") or MLP,
    }
    for key, value in defaults.items():
        content.setdefault(key, value)


def _trained_on_val(config: Mapping[str, Any]) -> bool:
    return look_up(config, "data.train_on_val") is True  # early files do not have the key


def _check_same_run(file: Path, config: Mapping[str, Any], results: Results) -> None:
    """Check that results.json was made with the settings of config.yaml."""
    expected = {
        "flow.name": results.flow,
        "K": results.K,
        "seed": results.seed,
        "protocol": results.protocol,
        "data.name": results.data,
        "model.latent_dim": results.latent_dim,
        "eval.checkpoint": results.checkpoint,
        "eval.num_samples": results.num_importance_samples,
    }
    for name in ("binarization", "train_on_val"):  # options that some data sets lack
        if name in config["data"]:
            expected[f"data.{name}"] = getattr(results, name)
    for key, value in expected.items():
        if (found := look_up(config, key)) != value:
            raise ResultsError(
                f"{file} has {key}={one_line(found)}, but the results.json beside it was made with "
                f"{key}={value}; restore the config.yaml of that run"
            )


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
    results = run.results.model_copy(
        update={name: getattr(found, name) for name in Measured.model_fields}
    )
    _check_up_to_date(run.results, results, found, file)
    if run.config is None:
        return Run(run.path, results, None)
    settings = {
        "checkpoint": found.checkpoint,
        "num_samples": found.num_importance_samples,
        "elbo_draws": found.elbo_draws,
        "seed": found.eval_seed,
    }
    known = {key: value for key, value in settings.items() if value is not None}
    return Run(run.path, results, {**run.config, "eval": {**run.config["eval"], **known}})


def _check_up_to_date(own: Results, results: Results, found: Evaluation, file: Path) -> None:
    """Check that the evaluation has the run's final model and data."""
    values = {
        "step": (found.step, results.measured_step),
        "data.binarization": (found.binarization, own.binarization),
        "data.train_on_val": (found.train_on_val, own.train_on_val),
    }
    for key, (of_file, of_run) in values.items():
        if None not in (of_file, of_run) and of_file != of_run:
            raise ResultsError(
                f"{file} has {key}={of_file}, but the run's {found.checkpoint} checkpoint has "
                f"{key}={of_run}; evaluate it again, or delete the file"
            )


def read_unfinished(folder: Path) -> Unfinished | None:
    """An unfinished run from its config.yaml and metrics.jsonl.

    None if config.yaml is not that of a training run.

    Raises:
        ResultsError, RunFolderError: a file is damaged.
    """
    file, metrics = folder / "config.yaml", folder / "metrics.jsonl"
    config = _read_config(file)
    if "trainer" not in config:
        return None
    try:
        content = {
            "path": folder,
            "conditions": Conditions(
                data=config["data"]["name"],
                binarization=config["data"].get("binarization", UNBINARIZED),
                split="test",
                train_on_val=_trained_on_val(config),
                latent_dim=config["model"]["latent_dim"],
                num_importance_samples=config["eval"]["num_samples"],
                likelihood=config["likelihood"]["name"],
            ),
            "protocol": config.get("protocol"),
            "flow": config["flow"]["name"],
            "K": config["K"],
            "seed": config["seed"],
            "step": next((step for step, _ in latest(metrics)), 0),
            **{key: config["trainer"][key] for key in ("max_epochs", "max_steps")},
        }
    except (KeyError, TypeError):
        raise ResultsError(f"{file} is not the configuration of a run") from None
    except OSError as error:
        raise ResultsError(f"{metrics} cannot be read: {error.strerror}") from None
    return check(Unfinished, file, content)
