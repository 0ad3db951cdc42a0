"""train.py: train or resume a run in its folder."""

import shlex
from collections.abc import Mapping
from typing import Any

from nfvae.experiments.configuration.config import parse_config
from nfvae.experiments.interruption import Interrupted, stop_on_signals
from nfvae.experiments.monitoring.summary import summary
from nfvae.experiments.running.parallel import joined
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.naming import run_path
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.terminal.call import command
from nfvae.experiments.terminal.overrides import overrides, run_argument


def train(composed: Mapping[str, Any]) -> float | None:
    """Train; returns the best validation −ELBO in nats, or None for a run without validation."""
    config = parse_config(composed)
    path = run_path(config, overrides())
    folder = RunFolder(path)
    if folder.complete:
        print(f"{path} is already complete")
    else:
        print(f"run folder  {path}")
        print(f"watch it    tensorboard --logdir {shlex.quote(str(path))}", flush=True)
    with joined() as ranks, stop_on_signals() as stop:
        try:
            results = run_training(config, folder, stop, ranks)
        except Interrupted as stopped:
            raise Interrupted(f"{stopped}; saved") from None
    print(f"trained     {results['steps']} steps in {results['train_seconds'] / 60:.1f} min")
    print(summary(results))
    print(f"next        {command('report', path)}")
    print(f"            {command('evaluate', run_argument(path), 'eval.num_samples=5000')}")
    best = results.get("val_neg_elbo")
    return None if best is None else float(best)
