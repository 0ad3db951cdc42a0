"""Run a command with Hydra; every error becomes one line."""

import os
import traceback
from argparse import ArgumentError, Namespace
from collections import Counter
from collections.abc import Sequence

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nfvae.experiments.command_line.hydra_settings import settings_checked
from nfvae.experiments.configuration.conf import CONF, takes_runs
from nfvae.experiments.errors import ConfigError, fail
from nfvae.experiments.launching.registration import register_plugins
from nfvae.experiments.terminal.hydra_errors import explain_hydra
from nfvae.experiments.terminal.overrides import hydra_override
from nfvae.experiments.terminal.tasks import task


def run_hydra(command: str, words: Sequence[str]) -> int:
    """Run a command with `words`, which are in sys.argv too; returns its exit status."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach this function
    register_plugins()
    _check_words(words)
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)
    try:
        with settings_checked(command):
            main(task(command))()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if not frame.f_globals["__name__"].startswith(("hydra.", "omegaconf.")):  # a bug of ours
            raise
        return fail(explain_hydra(error, command, words))
    return 0


def with_run_key(command: str, words: Sequence[str]) -> list[str]:
    """Write a run folder given as FOLDER as run=FOLDER, for commands that take one."""
    if not takes_runs(command):
        return list(words)
    positional = _parse(words).overrides  # without `job` of `--cfg job`
    return [
        hydra_override("run", word)
        if word in positional and "=" not in word and not word.startswith("~")
        else word
        for word in words
    ]


def _parse(words: Sequence[str]) -> Namespace:
    """Separate Hydra's options from overrides."""
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
    """Refuse what Hydra would accept silently: a rerun from a pickle, or a key given twice."""
    given = _parse(words)
    if given.experimental_rerun is not None:
        raise ConfigError(
            "--experimental-rerun would load a pickle, which could run any code; give the "
            "overrides of the run again instead"
        )
    # The key that an override sets, also for ++K=1 and flow@_here_=x.
    split = [word.lstrip("+~").partition("=") for word in given.overrides]
    for key, times in Counter(key.partition("@")[0] for key, equals, _ in split if equals).items():
        if not key:
            raise ConfigError("an override must be key=value, but the key of one is empty")
        if times > 1:
            raise ConfigError(f"{key} is given more than once on the command line")
