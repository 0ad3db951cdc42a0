"""Hydra's and OmegaConf's errors as one line that names the key and the allowed values."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from nfvae.experiments.command_line.conf import CONF, choices
from nfvae.experiments.errors import one_line

EXTRAS = {"joblib": "launchers", "submitit_local": "launchers", "submitit_slurm": "launchers"}


def explain_hydra(error: Exception, config_name: str) -> str:
    """One line about an error of Hydra or OmegaConf."""
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} must be given: {error.full_key}=…"
    if isinstance(error, OverrideParseException):
        return (
            f"{one_line(error.override)} cannot be read as key=value; special characters in a "
            """value need two kinds of quotes around it: 'run.dir="~/runs"'"""
        )
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    if not text and error.__cause__ is not None:
        text = " ".join(str(error.__cause__).split())
    if unknown := re.match(r"Could not override '(.+?)'", text):
        known = _all_keys(config_name)
        if unknown[1] in known:
            return f"{unknown[1]} belongs to another choice of its group; --cfg job shows the keys"
        near = get_close_matches(unknown[1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else "--cfg job shows them all"
        return f"{unknown[1]} is not a key of the configuration; {hint}"
    if unknown := re.search(r"Could not find '(.+)/(.+?)' Available options in .+?: (.*)", text):
        group, name, options = unknown.groups()
        hint = f"; pip install 'nfvae[{EXTRAS[name]}]'" if name in EXTRAS else ""
        return f"{group}={one_line(name)} is unknown; known: {', '.join(options.split())}{hint}"
    ambiguous = r"Ambiguous value for argument '(.+?)=(.+?)'|'(.+?)' requires --mul"
    if several := re.search(ambiguous, text):
        key, values, other = several.groups()
        listed = f"; for a list write {key}=[{values}]" if values else ""
        return f"{other or f'{key}={values}'} is a sweep over several values; add -m{listed}"
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text


def explain_value_error(error: ValueError, words: Sequence[str]) -> str:
    """One line about a ValueError of Hydra: flow=null, flow=3, or options that contradict."""
    text = " ".join(str(error).split())
    if "must be a string" not in text:
        return text
    for word in words:
        if word.startswith("="):
            return f"{one_line(word)} is not key=value"
        group = word.partition("=")[0].lstrip("+~").partition("@")[0]
        value = word.partition("=")[2]
        if group and choices(group) and value.strip("\"'") not in choices(group):
            return f"{one_line(word)} must name a choice; known: {', '.join(choices(group))}"
    return text


def _all_keys(config_name: str) -> list[str]:
    """All keys that a command line can set, with dots."""
    GlobalHydra.instance().clear()
    if not (CONF / f"{config_name}.yaml").is_file():
        return []
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = OmegaConf.to_container(hydra.compose(config_name), resolve=False)
    return [*_flattened(composed)]


def _flattened(mapping: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(mapping, dict):
        for key, value in mapping.items():
            yield f"{prefix}{key}"
            yield from _flattened(value, f"{prefix}{key}.")
