"""The settings that runs were trained with, as one would type them on the command line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nfvae.experiments.storage.config_file import look_up
from nfvae.experiments.storage.same_run import is_off
from nfvae.experiments.tables.results import Run

SHOWN = (
    "data.train_on_val",
    "optim.name",
    "optim.lr",
    "optim.decay",
    "optim.weight_decay",
    "optim.decoder_lr",
    "optim.decoder_weight_decay",
    "trainer.batch_size",
    "model.hidden",
    "model.activation",
    "objective.num_samples",
    "objective.annealing",
    "eval.elbo_draws",
    "eval.checkpoint",
)


def describe_settings(runs: Iterable[Run]) -> str:
    """What matters of the runs' configurations; where they differ, all values with commas.

    Each flow's options follow it. Says so if a run came without its config.yaml.
    """
    configs = [run.config for run in runs]
    known = [config for config in configs if config is not None]
    if len(known) < len(configs):
        return "unknown, since some runs came without their config.yaml"
    shared = _assignments(SHOWN, known)
    options: dict[str, set[str]] = {}
    for config in known:
        options.setdefault(config["flow"]["name"], set()).update(config["flow"].keys() - {"name"})
    own = [
        _assignments(["flow.name", *(f"flow.{key}" for key in sorted(keys))], _of(flow, known))
        for flow, keys in sorted(options.items())
        if keys
    ]
    return ", ".join(f"`{text}`" for text in [shared, *own] if text)


def _of(flow: str, configs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [config for config in configs if config["flow"]["name"] == flow]


def _assignments(keys: Iterable[str], configs: Sequence[Mapping[str, Any]]) -> str:
    """optim=adam optim.lr=0.001 …, without keys that are off in all configurations."""
    values = {key: [look_up(config, key) for config in configs] for key in keys}
    return " ".join(
        f"{key.removesuffix('.name')}={','.join(sorted(set(map(_typed, found))))}"
        for key, found in values.items()
        if not all(map(is_off, found))
    )


def _typed(value: object) -> str:
    """As on Hydra's command line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value).replace(" ", "").replace("'", "")
