"""Run a command with Hydra; every error becomes one line."""

import os
from argparse import ArgumentError, Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nfvae.errors import NfvaeError
from nfvae.experiments.command_line.failures import report
from nfvae.experiments.command_line.help import COMMANDS
from nfvae.experiments.command_line.hydra_errors import explain_hydra, explain_value_error
from nfvae.experiments.command_line.hydra_settings import settings_checked
from nfvae.experiments.errors import ConfigError, fail
from nfvae.experiments.launching.registration import register_plugins


def run_hydra(command: str, main: Callable[[], Any], words: Sequence[str]) -> int:
    """Call a function decorated by `hydra.main`, with `words` in sys.argv; returns its status."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach this function
    register_plugins()
    try:
        _check_words(words)
        with settings_checked(command):
            main()
    except (HydraException, OmegaConfBaseException) as error:
        return fail(explain_hydra(error, command))
    except ValueError as error:
        if not _is_hydras(error):
            raise
        return fail(explain_value_error(error, words))
    except (NfvaeError, OSError) as error:
        return report(error)
    return 0


def with_run_key(command: str, words: Sequence[str]) -> list[str]:
    """Write a run folder given as FOLDER as run=FOLDER, for commands that take one."""
    if not COMMANDS[command].on_runs:
        return list(words)
    positional = _parse(words).overrides  # without `job` of `--cfg job`
    return [
        hydra_override("run", word)
        if word in positional and "=" not in word and not word.startswith("~")
        else word
        for word in words
    ]


def overrides() -> list[str]:
    """The overrides of the command line, normalised as in a sweep: lr=1e-3 becomes lr=0.001."""
    typed = OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))
    return [f"{each.get_key_element()}={each.get_value_element_as_str()}" for each in typed]


def hydra_override(key: str, value: str) -> str:
    """`key=value`, with quotes around the value if Hydra would read it as something else."""
    escaped = value.replace("${", "\\${")
    for quote in ("", "'", '"'):
        text = (
            f"{key}={quote}{escaped.replace(quote, chr(92) + quote) if quote else escaped}{quote}"
        )
        try:
            parsed = OverridesParser.create().parse_override(text).value()
            if isinstance(parsed, str) and OmegaConf.create({"v": parsed})["v"] == value:
                return text
        except (HydraException, OmegaConfBaseException):
            continue
    return f"{key}={value}"


def run_argument(path: Path) -> str:
    """A run's folder as an argument of evaluate, picture or posterior_2d."""
    text = str(path)
    if "=" in text or text.startswith("~"):
        return hydra_override("run", text)
    return f"./{text}" if text.startswith("-") else text


def _parse(words: Sequence[str]) -> Namespace:
    """Separate Hydra's options from overrides.

    Raises:
        ConfigError: an unknown option, or one with a wrong value.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        given, unknown = parser.parse_known_args(list(words))
    except ArgumentError as error:
        raise ConfigError(f"{error}; --help lists the options") from None
    if unknown:
        raise ConfigError(f"{unknown[0]} is not an option; --help lists the options")
    return given


def _check_words(words: Sequence[str]) -> None:
    """Refuse what Hydra would accept silently.

    Raises:
        ConfigError: a rerun from a pickle, or a key that is given twice.
    """
    given = _parse(words)
    if given.experimental_rerun is not None:
        raise ConfigError(
            "--experimental-rerun would load a pickle, which could run any code; give the "
            "overrides of the run again instead"
        )
    keys = Counter(_key(word) for word in given.overrides if "=" in word)
    for key, times in keys.items():
        if times > 1 and key:
            raise ConfigError(f"{key} is given more than once on the command line")


def _key(word: str) -> str:
    """The key that an override sets, also for ++K=1 and flow@_here_=x."""
    return word.partition("=")[0].lstrip("+~").partition("@")[0]


def _is_hydras(error: ValueError) -> bool:
    """Whether Hydra raised it, rather than a task that it ran."""
    traceback, last = error.__traceback__, ""
    while traceback is not None:
        last = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return last.startswith(("hydra.", "omegaconf."))
