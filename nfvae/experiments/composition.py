"""Hydra in front: from the command line to a plain mapping, its errors put the way ours are."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from nfvae.experiments.errors import fail, one_line
from nfvae.experiments.interruption import EXIT_STATUS


@dataclass(frozen=True)
class Composed:
    """What Hydra made of a run's overrides."""

    mapping: Mapping[str, Any]
    overrides: tuple[str, ...]


Job = Callable[[Mapping[str, Any]], int]
Sweep = Callable[[list[Composed]], int]

CONF = Path(__file__).parents[2] / "conf"


def for_each_composed(config_name: str, job: Job, sweep: Sweep | None = None) -> int:
    """Call a job with the composed configuration, or each of a multirun; the worst status.

    Where there is a sweep, it is called in place of the job, once, with all of a multirun.
    """
    statuses: list[int] = []
    swept: list[Composed] = []
    composed_once = False

    def task(config: DictConfig) -> None:
        nonlocal composed_once
        composed_once = True
        try:
            composed = _plain(config)
        except OmegaConfBaseException as error:
            statuses.append(fail(_one_line(error, config_name)))
            return
        if sweep is not None and HydraConfig.get().mode == RunMode.MULTIRUN:
            swept.append(Composed(composed, tuple(overrides())))
            return
        status = job(composed)
        if status == EXIT_STATUS:
            sys.exit(status)
        statuses.append(status)

    if repeated := _repeated_key():
        return fail(f"{repeated} is given more than once on the command line")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors reach this function
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)
    try:
        main()
    except (HydraException, OmegaConfBaseException) as error:
        statuses.append(fail(_one_line(error, config_name)))
    except ValueError:
        if composed_once:
            raise
        statuses.append(fail(_misnamed_group()))
    if sweep is not None and swept:
        statuses.append(sweep(swept))
    return max(statuses, default=0)


def overrides() -> list[str]:
    """What the command line sets, spelled as in a sweep, where lr=1e-3 becomes lr=0.001."""
    typed = OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))
    return [f"{each.get_key_element()}={each.get_value_element_as_str()}" for each in typed]


def _one_line(error: Exception, config_name: str) -> str:
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} must be given: {error.full_key}=…"
    if isinstance(error, OverrideParseException):
        return (
            f"{one_line(error.override)} cannot be read as key=value; special characters in a value "
            """need two kinds of quotes around it: 'run.dir="~/runs"'"""
        )
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    if unknown := re.match(r"Could not override '(.+?)'", text):
        near = get_close_matches(unknown[1], _all_keys(config_name), n=1)
        hint = f"did you mean {near[0]}?" if near else "--cfg job shows them all"
        return f"{unknown[1]} is not a key of the configuration; {hint}"
    if unknown := re.search(r"Could not find '(.+)/(.+?)' Available options in .+?: (.*)", text):
        group, name, options = unknown.groups()
        return f"{group}={one_line(name)} is unknown; known: {', '.join(options.split())}"
    key = getattr(error, "full_key", None)
    return f"{key}: {text}" if key else text


def _misnamed_group() -> str:
    """flow=null, flow=3: Hydra only says that some group's override is no string."""
    for override in sys.argv[1:]:
        group = override.partition("=")[0].lstrip("+")
        if group and (CONF / group).is_dir():
            known = ", ".join(sorted(file.stem for file in (CONF / group).glob("*.yaml")))
            return f"{one_line(override)} must name a choice; known: {known}"
    return "an override must be key=value"


def _all_keys(config_name: str) -> list[str]:
    """Every key that a command line may set, with dots."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = OmegaConf.to_container(hydra.compose(config_name), resolve=False)
    return [*_flattened(composed)]


def _flattened(mapping: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(mapping, dict):
        for key, value in mapping.items():
            yield f"{prefix}{key}"
            yield from _flattened(value, f"{prefix}{key}.")


def _plain(config: DictConfig) -> dict[str, Any]:
    mapping = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(mapping, dict)
    return {str(key): value for key, value in mapping.items()}


def _repeated_key() -> str | None:
    """Hydra takes the last of K=16 K=32 without a word, and a sweep of it too."""
    typed = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
    keys = Counter(word.partition("=")[0] for word in typed)
    return next((key for key, times in keys.items() if times > 1 and key), None)
