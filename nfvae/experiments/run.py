"""A training run from configuration to results.json."""

from typing import Any

import torch

from nfvae.experiments.config import Config
from nfvae.experiments.device import choose_device
from nfvae.experiments.errors import CheckpointError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.loading import load_weights, read_data
from nfvae.experiments.measure import describe, measure
from nfvae.experiments.monitoring.metrics_log import log_results
from nfvae.experiments.provenance import provenance
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.failure import failure_recorded
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training.loop import fit
from nfvae.training.state import TrainingState


def run_training(config: Config, folder: RunFolder, stop: StopRequest) -> dict[str, Any]:
    """Train, or go on training, in a folder; returns what results.json holds.

    Raises:
        Interrupted: `stop` was set; the same call goes on where this one stopped.
        DivergenceError: a term became NaN or infinite.
        NfvaeError: the folder, the data or a checkpoint cannot be used.
    """
    if folder.complete:  # its files are whole and only read: no lock, and no need to write
        folder.check_same(config)
        return folder.read_results()
    made_by = provenance()
    # One thread: at this size of model a second one costs as much as it brings.
    torch.set_num_threads(config.trainer.num_threads or 1)
    device = choose_device(config.device)
    data = read_data(config.data).to(device)
    state = TrainingState(config, data, device)
    with folder.held(config), failure_recorded(folder.path):
        if folder.last.exists():
            _load_last(state, folder)
        fit(state, folder, stop)

        described = describe(state) | made_by
        if config.eval.checkpoint == "best":
            load_weights(state.vae, _load_best(folder, state, device), folder.best)
        which, bar = config.eval.checkpoint, config.trainer.progress
        measured = measure(state.vae, data.test, "test", config.eval, which, stop, bar)
        log_results(folder.path, state.step, measured)
        folder.write_results(measured | described)
        return measured | described


def _load_last(state: TrainingState, folder: RunFolder) -> None:
    try:
        state.load_state_dict(load_checkpoint(folder.last, state.device), folder.last)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {_way_back(folder)}") from None


def _way_back(folder: RunFolder) -> str:
    """What a run whose last.pt cannot be used can go on from."""
    again = f"delete {folder.last} to train again from the start"
    try:
        best = load_checkpoint(folder.best)
    except CheckpointError:
        return again
    if "optimizer" not in best:
        return f"{again}, or evaluate {folder.best}, which is good, with scripts/evaluate.py"
    return (
        f"{folder.best} of step {best['step']} is good: to go on from there, "
        f"cp {folder.best} {folder.last} and give the same command again"
    )


def _load_best(folder: RunFolder, state: TrainingState, device: torch.device) -> dict[str, Any]:
    """Weights of the step that was best."""
    again = f"delete {folder.last} to train again"
    try:
        best = load_checkpoint(folder.best, device)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {again}") from None
    if best.get("step") != state.best_step:
        raise CheckpointError(
            f"{folder.best} is of step {best.get('step')}, not of the best step "
            f"{state.best_step}; {again}"
        )
    weights: dict[str, Any] = best.get("model", {})
    return weights
