"""Run a command as Hydra's task function, alone or as one job of a sweep."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nfvae.experiments.command_line.failures import explain, report
from nfvae.experiments.command_line.hydra_errors import explain_hydra
from nfvae.experiments.command_line.output import protect_output
from nfvae.experiments.command_line.plugins import import_plugins
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import (
    Interrupted,
    received_signal,
)

Command = Callable[[Mapping[str, Any]], int | float | None]


def run_task(command: Command, config: DictConfig) -> float | None:
    """Run a command; returns the value that a sweeper minimizes, if there is one.

    Outside a sweep, an error becomes one line and the exit status. In a sweep it is raised: Hydra
    returns it to the sweeper, which continues with the other jobs.
    """
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return _run_in_sweep(command, config)
    try:
        import_plugins()
        return _value(command(plain(config)))
    except Exception as error:
        sys.exit(report(error))


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as a plain mapping, all interpolations resolved.

    Raises:
        ConfigError: a value is missing, or an interpolation cannot be resolved.
    """
    try:
        mapping = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain_hydra(error, "")) from None
    assert isinstance(mapping, dict)
    return {str(key): value for key, value in mapping.items()}


def _run_in_sweep(command: Command, config: DictConfig) -> float | None:
    protect_output()
    if (stopped_by := received_signal()) is not None:  # this process runs one job after the other
        raise Interrupted(f"stopped by {stopped_by.name} before it began")
    try:
        import_plugins()
        return _value(command(plain(config)))
    except Interrupted:
        _requeue()
        raise
    except Exception as error:
        if explain(error) is None:
            traceback.print_exc()
        raise


def _value(returned: int | float | None) -> float | None:
    """The value that a sweeper can minimize; commands other than train return an exit status."""
    if not isinstance(returned, int):
        return returned
    if returned != 0 and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise Interrupted("stopped")
    if returned != 0:
        sys.exit(returned)
    return None


def _requeue() -> None:
    """Under submitit, put a preempted or timed-out job back into the queue.

    Submitit's handler of SIGUSR2 does this, after the run is saved.
    """
    if "SUBMITIT_EXECUTOR" in os.environ and received_signal() == signal.SIGUSR2:
        signal.raise_signal(signal.SIGUSR2)
