"""train.py: train, or go on training, in the folder that the configuration gives the run."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nfvae.experiments.cli import command_line
from nfvae.experiments.composition import overrides
from nfvae.experiments.config import Config, parse_config
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, stop_on_signals
from nfvae.experiments.monitoring.summary import summary
from nfvae.experiments.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder, default_name


def train(composed: Mapping[str, Any]) -> int:
    """Returns the exit status; raises NfvaeError."""
    config = parse_config(composed)
    path = run_path(config, overrides())
    folder = RunFolder(path)
    if folder.complete:
        print(f"{path} is complete already")
    else:
        print(f"run folder  {path}")
        print(f"watch it    tensorboard --logdir {shlex.quote(str(path))}", flush=True)
    with stop_on_signals() as stop:
        try:
            results = run_training(config, folder, stop)
        except Interrupted as reason:
            print(f"{reason}; saved. To go on: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
    print(f"trained     {results['steps']} steps in {results['train_seconds'] / 60:.1f} min")
    print(summary(results))
    print(f"next        python scripts/report.py {shlex.quote(str(path))}")
    print(f"            python scripts/evaluate.py run={path} eval.num_samples=5000")
    return 0


def run_path(config: Config, told: Sequence[str]) -> Path:
    """The run's folder: as configured, or named after the overrides."""
    if config.run.dir is not None:
        try:
            return Path(config.run.dir).expanduser()
        except RuntimeError:
            raise ConfigError(f"run.dir={config.run.dir}: there is no such user") from None
    return Path("outputs") / (config.run.name or default_name(config, told))
