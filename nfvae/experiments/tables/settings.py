"""The settings of runs, written as on the command line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nfvae.experiments.errors import one_line
from nfvae.experiments.storage.config_file import flatten, look_up
from nfvae.experiments.storage.same_run import changes_numbers, is_off
from nfvae.experiments.tables.results import Run

Settings = frozenset[tuple[str, str]]  # (key with dots, value as JSON)

# Keys in the note below a table.
NOTED_KEYS = (
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


def settings_of(config: Mapping[str, Any]) -> Settings:
    """All entries that change numbers, without the seed and options that are off."""
    return frozenset(
        (key, json.dumps(value, default=str))
        for key, value in flatten(config)
        if key != "seed" and changes_numbers(key) and not is_off(value)
    )


def describe_settings(runs: Iterable[Run]) -> str:
    """The main settings of runs with all values that occur, and the options of each flow.

    They are in `backticks`. If a run has no config.yaml, the text says so.
    """
    configs = [run.config for run in runs]
    known = [config for config in configs if config is not None]
    if len(known) < len(configs):
        return "unknown, since some runs came without their config.yaml"
    by_flow: dict[str, list[Mapping[str, Any]]] = {}
    for config in known:
        by_flow.setdefault(config["flow"]["name"], []).append(config)
    texts = [_describe(NOTED_KEYS, known)]
    for _, of_flow in sorted(by_flow.items()):
        options = {f"flow.{key}" for config in of_flow for key in config["flow"] if key != "name"}
        if options := set(filter(changes_numbers, options)):
            texts.append(_describe(["flow.name", *sorted(options)], of_flow))
    return ", ".join(f"`{text}`" for text in texts if text)


def _describe(keys: Iterable[str], configs: Sequence[Mapping[str, Any]]) -> str:
    """Assignments such as optim.lr=0.001,0.002, without keys that are off in all configurations."""
    values = {key: [look_up(config, key) for config in configs] for key in keys}
    return assignments(
        {
            key: ",".join(sorted(set(map(as_text, found))))
            for key, found in values.items()
            if not all(map(is_off, found))
        },
        in_order=False,
    )


def assignments(settings: Mapping[str, str], in_order: bool = True) -> str:
    """Settings as text, such as "optim=adam optim.lr=0.001"; sorted by key if `in_order`."""
    pairs = sorted(settings.items()) if in_order else settings.items()
    return " ".join(f"{as_text(key.removesuffix('.name'))}={value}" for key, value in pairs)


def as_text(value: object) -> str:
    """A value as on Hydra's command line, in printable characters, without spaces and quotes."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return one_line(value, 80).translate(str.maketrans("", "", " '\"`"))
