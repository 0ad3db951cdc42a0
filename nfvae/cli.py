"""What the scripts have in common: Hydra in front, one line for an error, a status at the end."""

import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from nfvae.errors import ConfigError, NfvaeError
from nfvae.training.interruption import EXIT_STATUS

CONF = Path(__file__).parent.parent / "conf"


def run_script(config_name: str, job: Callable[[Mapping[str, Any]], int]) -> NoReturn:
    """Compose the configuration, do the job for it (or for each of a multirun), exit.

    A job takes the composed mapping and returns its exit status, or raises an NfvaeError, which
    becomes one line on standard error and status 1. In a multirun the jobs after a failed one are
    done all the same; an interrupted one ends it.
    """
    statuses: list[int] = []

    def task(config: DictConfig) -> None:
        try:
            _refuse_repeated_overrides()
            status = job(_plain(config))
        except (NfvaeError, OmegaConfBaseException) as error:
            status = _fail(_one_line(error))
        if status == EXIT_STATUS:
            sys.exit(status)
        statuses.append(status)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors reach this function
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)
    try:
        main()
    except (HydraException, OmegaConfBaseException) as error:
        statuses.append(_fail(_one_line(error)))
    except BrokenPipeError:  # the reader of our output, head say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(max(statuses, default=0))


def overrides() -> list[str]:
    """What the command line sets, as it was typed."""
    return list(HydraConfig.get().overrides.task)


def command_line() -> str:
    """The command that started this process."""
    return " ".join(["python", *map(shlex.quote, sys.argv)])


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _one_line(error: Exception) -> str:
    """An error's message; Hydra's own are put the way that this project's are."""
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} must be given: {error.full_key}=…"
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    if unknown := re.match(r"Could not override '(.+?)'", text):
        return f"{unknown[1]} is not a key of the configuration; --cfg job shows them all"
    return text


def _plain(config: DictConfig) -> dict[str, Any]:
    mapping = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(mapping, dict)
    return {str(key): value for key, value in mapping.items()}


def _refuse_repeated_overrides() -> None:
    """Hydra takes the last of K=16 K=32 without a word."""
    keys = [override.partition("=")[0] for override in overrides()]
    repeated = [key for key, times in Counter(keys).items() if times > 1]
    if repeated:
        raise ConfigError(f"{repeated[0]} is given more than once on the command line")
