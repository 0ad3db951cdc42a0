"""A command as Hydra's task function, alone or as one job of a sweep."""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, received_signal
from nfvae.experiments.terminal.failures import explain, report
from nfvae.experiments.terminal.hydra_errors import explain_hydra
from nfvae.experiments.terminal.output import protect_output
from nfvae.experiments.terminal.plugins import import_plugins


def task(name: str) -> Callable[[DictConfig], float | None]:
    """A function that runs a command; it returns the value that a sweeper minimizes, if any.

    Outside a sweep, an error becomes one line and the exit status. In a sweep it is raised: Hydra
    returns it to the sweeper, which continues with the other jobs.
    """

    def run(config: DictConfig) -> float | None:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return _run_in_sweep(name, config)
        try:
            value, status = _run(name, config)
        except Exception as error:
            status = report(error)
        return value if status == 0 else sys.exit(status)

    run.__name__ = name
    return run


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as a plain mapping, all interpolations resolved."""
    try:
        mapping = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain_hydra(error)) from None
    assert isinstance(mapping, dict)
    return {str(key): value for key, value in mapping.items()}


def plain_without_hydra(config: DictConfig) -> dict[str, Any]:
    """As `plain`, for a configuration that may have Hydra's part, which is left out."""
    try:
        values = {str(key): config[key] for key in config if key != "hydra"}
    except OmegaConfBaseException as error:
        raise ConfigError(explain_hydra(error)) from None
    return {k: plain(v) if isinstance(v, DictConfig) else v for k, v in values.items()}


def _run(name: str, config: DictConfig) -> tuple[float | None, int]:
    """The value that a sweeper can minimize, which train returns, and the exit status."""
    import_plugins()
    command = getattr(import_module(f"nfvae.experiments.commands.{name}"), name)
    returned = command(plain(config))
    return (None, returned) if isinstance(returned, int) else (returned, 0)


def _run_in_sweep(name: str, config: DictConfig) -> float | None:
    protect_output()
    if (stopped_by := received_signal()) is not None:  # this process runs one job after the other
        raise Interrupted(f"stopped by {stopped_by.name} before it began")
    try:
        value, status = _run(name, config)
    except Interrupted:
        requeue()
        raise
    except Exception as error:
        if explain(error) is None:
            traceback.print_exc()
        raise
    if status != 0:
        raise Interrupted("stopped")
    return value


def requeue() -> None:
    """Under submitit on Slurm, put a run that is saved back into the queue.

    Submitit's handler of its own signal does that. A run replaces the handler while it trains,
    and saves after any signal. A job that Slurm itself is ending, to requeue it or after scancel,
    is not RUNNING, and ends without a result.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return
    job = os.environ["SLURM_JOB_ID"]
    words = ["squeue", "--noheader", f"--job={job}", "--format=%T"]
    state = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    if state == "RUNNING":
        name = os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")
        signal.raise_signal(signal.Signals[f"SIG{name}"])
    sys.exit(EXIT_STATUS)
