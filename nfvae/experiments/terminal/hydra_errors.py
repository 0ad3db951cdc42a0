"""Hydra's and OmegaConf's errors as one line that names the key and the allowed values."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from nfvae.experiments.configuration.conf import CONF, choices, groups, is_configured
from nfvae.experiments.errors import one_line
from nfvae.experiments.storage.config_file import flatten

EXTRA = ("joblib", "submitit_local", "submitit_slurm")  # launchers of `nfvae[launchers]`


def explain_hydra(error: Exception, command: str = "", words: Sequence[str] = ()) -> str:
    """One line about an error of Hydra or OmegaConf, from the words of a command's line."""
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    if not text and error.__cause__ is not None:
        text = " ".join(str(error.__cause__).split())
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} must be given: {error.full_key}=…"
    if isinstance(error, OverrideParseException):
        return (
            f"{one_line(error.override)} cannot be read as key=value; special characters in a "
            """value need two kinds of quotes around it: 'run.dir="~/runs"'"""
        )
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        hint = "; pip install 'nfvae[launchers]'" if name in EXTRA else ""
        return f"{group}={one_line(name)} is unknown; known: {', '.join(error.options)}{hint}"
    if unknown := re.match(r"Could not override '(.+?)'", text):
        return _explain_key(unknown[1], command)
    ambiguous = r"Ambiguous value for argument '(.+?)=(.+?)'|'(.+?)' requires --mul"
    if several := re.search(ambiguous, text):
        key, values, other = several.groups()
        listed = f"; for a list write {key}=[{values}]" if values else ""
        return f"{other or f'{key}={values}'} is a sweep over several values; add -m{listed}"
    if "must be a string" in text:  # flow=null, flow=3
        for word in words:
            group, _, value = word.lstrip("+~").partition("=")
            names = choices(group.partition("@")[0])
            if names and value.strip("\"'") not in names:
                return f"{one_line(word)} must name a choice; known: {', '.join(names)}"
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text


def _explain_key(key: str, command: str) -> str:
    """One line about an override of a key that the configuration does not have."""
    known: list[str] = []
    GlobalHydra.instance().clear()
    if is_configured(command):
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            composed: Any = OmegaConf.to_container(hydra.compose(command), resolve=False)
        known = [*groups(command), *(name for name, _ in flatten(composed))]
    if key in known:
        return f"{key} belongs to another choice of its group; --cfg job shows the keys"
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "--cfg job shows them all"
    return f"{key} is not a key of the configuration; {hint}"
