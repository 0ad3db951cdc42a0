"""A run as its folder's files tell it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfvae.errors import ResultsError
from nfvae.storage.config_file import read_config_file
from nfvae.storage.history import latest
from nfvae.storage.json_file import read_results_json
from nfvae.tables.results import Conditions, Results, Run, Unfinished, check

FIT_KEYS = {"energy", "fits"}  # what results of flows fitted to 2-D energies have
EVALUATED = {  # what evaluate.py measures of a run, or says of the measurement
    *("neg_elbo", "neg_elbo_se", "kl", "active_units", "nll", "nll_se"),
    *("num_importance_samples", "split", "checkpoint"),
}


def read_run(folder: Path) -> Run | None:
    """A complete run: results.json and, if it was kept, config.yaml. None where it is a 2-D fit."""
    file = folder / "results.json"
    content = read_results_json(file, set())
    if FIT_KEYS & content.keys():
        return None
    results = check(Results, file, content)
    return Run(folder, results, _read_config(folder / "config.yaml", results))


def _read_config(file: Path, results: Results) -> Mapping[str, Any] | None:
    if not file.exists():
        return None
    config = read_config_file(file)
    try:
        found = config["flow"]["name"], config["K"], config["seed"]
        {**config["eval"]}
    except (KeyError, TypeError):
        raise ResultsError(f"{file} is not the configuration of a run") from None
    if found != (results.flow, results.K, results.seed):
        raise ResultsError(
            f"{file} is of {_name(*found)}, but results.json beside it of "
            f"{_name(results.flow, results.K, results.seed)}; put the file that belongs there back"
        )
    return config


def _name(flow: object, K: object, seed: object) -> str:
    return f"flow={flow} K={K} seed={seed}"


def read_evaluations(run: Run) -> list[Run]:
    """The run with the numbers of each evaluation_*.json, and the configuration that gives them.

    An evaluation under the conditions of the run's own results is left out: those stand for it.
    """
    files = sorted(run.path.glob("evaluation_*.json"))
    evaluated = (_evaluated(run, file) for file in files)
    return [again for again in evaluated if again.results.conditions != run.results.conditions]


def _evaluated(run: Run, file: Path) -> Run:
    found = read_results_json(file, EVALUATED)
    results = check(Results, file, {**run.results.model_dump(), **found})
    step = found.get("step", results.measured_step)
    if results.measured_step not in (None, step):
        raise ResultsError(
            f"{file} is of step {step}, the run's {results.checkpoint} checkpoint of step "
            f"{results.measured_step}; evaluate it again, or delete the file"
        )
    if run.config is None:
        return Run(run.path, results, None)
    measured = {"checkpoint": results.checkpoint, "num_samples": results.num_importance_samples}
    if "elbo_draws" in found:
        measured["elbo_draws"] = found["elbo_draws"]
    return Run(run.path, results, {**run.config, "eval": {**run.config["eval"], **measured}})


def read_unfinished(folder: Path) -> Unfinished | None:
    """What config.yaml and metrics.jsonl say of a run that is under way or was cut off.

    None where config.yaml is that of something other than a training run.
    """
    file = folder / "config.yaml"
    config = read_config_file(file)
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
