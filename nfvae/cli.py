"""What the scripts have in common: Hydra in front, one line for an error, a status at the end."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nfvae.errors import ConfigError, NfvaeError
from nfvae.training.interruption import EXIT_STATUS

CONF = Path(__file__).parent.parent / "conf"


def run_script(config_name: str, job: Callable[[DictConfig], int]) -> NoReturn:
    """Compose the configuration, do the job for it (or for each of a multirun), exit.

    A job returns its exit status, or raises an NfvaeError, which becomes one line on standard
    error and status 1. In a multirun the jobs after a failed one are done all the same.
    """
    statuses: list[int] = []

    def task(config: DictConfig) -> None:
        try:
            _refuse_repeated_overrides()
            status = job(config)
        except NfvaeError as error:
            status = _fail(str(error))
        if status == EXIT_STATUS:
            sys.exit(status)  # the jobs after it are not wanted either
        statuses.append(status)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors reach this function
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)
    try:
        main()
    except (HydraException, OmegaConfBaseException) as error:
        statuses.append(_fail(" ".join(str(error).split())))
    sys.exit(max(statuses, default=0))


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _refuse_repeated_overrides() -> None:
    """Hydra takes the last of K=16 K=32 without a word."""
    keys = [override.partition("=")[0] for override in HydraConfig.get().overrides.task]
    repeated = [key for key, times in Counter(keys).items() if times > 1]
    if repeated:
        raise ConfigError(f"{repeated[0]} is given more than once on the command line")
