"""The settings of runs, written as on the command line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nfvae.experiments.errors import one_line
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers, is_off
from nfvae.experiments.tables.results import BERNOULLI, MLP, STANDARD_NORMAL, Results, Run

Settings = frozenset[tuple[str, str]]  # (key with dots, value as JSON)

# Values that every run of nfvae 0.1 had, whose files do not have all of these keys. Tables name
# such a key only if a run has another value.
USUAL = {
    "model.name": MLP,
    "prior.name": STANDARD_NORMAL,
    "likelihood.name": BERNOULLI,
    "model.dropout": 0.0,
    "objective.beta": 1.0,
    "objective.free_bits": 0.0,
}
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
    "model.name",
    "model.hidden",
    "model.activation",
    "prior.name",
    "objective.num_samples",
    "objective.annealing",
    "objective.beta",
    "objective.free_bits",
    "eval.elbo_draws",
    "eval.checkpoint",
)


def settings_of(config: Mapping[str, Any]) -> Settings:
    """All entries that change numbers, without the seed and what is off or usual."""
    return frozenset(
        (key, json.dumps(value, default=str))
        for key, value in flatten(config)
        if key != "seed" and changes_numbers(key) and not _is_usual(key, value)
    )


def settings_of_results(results: Results) -> Settings:
    """Settings that results.json states, which is all that is known without a config.yaml."""
    entries = {
        "steps": results.steps,
        "eval.checkpoint": results.checkpoint,
        "num_parameters": results.num_parameters,
        "model.name": results.model,
        "prior.name": results.prior,
        "objective.beta": results.beta,
        "objective.free_bits": results.free_bits,
    }
    return frozenset(
        (key, json.dumps(value)) for key, value in entries.items() if not _is_usual(key, value)
    )


def _is_usual(key: str, value: object) -> bool:
    return is_off(value) or (key in USUAL and USUAL[key] == value)


def describe_settings(runs: Iterable[Run]) -> str:
    """The main settings of runs with all values that occur, and the options of each flow.

    They are in `backticks`. If a run has no config.yaml, the text says so.
    """
    by_flow: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        if run.config is None:
            return "unknown, since some runs came without their config.yaml"
        by_flow.setdefault(run.results.flow, []).append(dict(flatten(run.config)))
    texts = [_describe(NOTED_KEYS, [config for configs in by_flow.values() for config in configs])]
    for _, configs in sorted(by_flow.items()):
        options = {key for config in configs for key in config if key.startswith("flow.")}
        if options := set(filter(changes_numbers, options)) - {"flow.name"}:
            texts.append(_describe(["flow.name", *sorted(options)], configs))
    return ", ".join(f"`{text}`" for text in texts if text)


def _describe(keys: Iterable[str], configs: Sequence[Mapping[str, Any]]) -> str:
    """Assignments such as optim.lr=0.001,0.002, without keys that no configuration changes."""
    values = {key: [config.get(key, USUAL.get(key)) for config in configs] for key in keys}
    return assignments(
        {
            key: ",".join(sorted(set(map(as_text, found))))
            for key, found in values.items()
            if not all(_is_usual(key, value) for value in found)
        }
    )


def assignments(settings: Mapping[str, str]) -> str:
    """Settings as text, such as "optim=adam optim.lr=0.001"."""
    return " ".join(
        f"{as_text(key.removesuffix('.name'))}={value}" for key, value in settings.items()
    )


def as_text(value: object) -> str:
    """A value as on Hydra's command line, in printable characters, without spaces and quotes."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return one_line(value, 80).translate(str.maketrans("", "", " '\"`"))
