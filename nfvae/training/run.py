"""A training run from configuration to results.json."""

from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from nfvae.config import Checkpoint, Config, DataConfig
from nfvae.data import Dataset, load_dataset
from nfvae.errors import CheckpointError
from nfvae.provenance import provenance
from nfvae.reporting.metrics_log import log_results
from nfvae.storage.checkpoint import load_checkpoint
from nfvae.storage.failure import failure_recorded
from nfvae.storage.run_folder import RunFolder
from nfvae.storage.same_run import differences
from nfvae.training.device import choose_device
from nfvae.training.interruption import StopRequest
from nfvae.training.loop import fit
from nfvae.training.results import describe, measure
from nfvae.training.state import TrainingState, load_weights, make_vae
from nfvae.vae import VAE


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


def load_vae(
    path: Path | str,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> VAE:
    """The trained model of a run folder; of no given checkpoint, that which the run measured.

    Raises:
        RunFolderError, CheckpointError, ConfigError: the folder holds no model that can be used.
    """
    return load_vae_and_step(path, checkpoint, device)[0]


def load_vae_and_step(
    path: Path | str,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> tuple[VAE, int]:
    """As `load_vae`, with the number of updates the model has had."""
    folder = RunFolder(Path(path))
    config = folder.parse_config()
    file = folder.best if (checkpoint or config.eval.checkpoint) == "best" else folder.last
    content = _load_either(folder, file, device)
    weights, step = content.get("model"), content.get("step")
    bias = weights.get("output.bias") if isinstance(weights, dict) else None
    if not isinstance(weights, dict) or not _is_vector(bias) or type(step) is not int:
        raise CheckpointError(f"{file} holds no model of this project")
    _check_made_so(config, content.get("config"), file, folder)
    vae = make_vae(config, torch.full_like(bias, 0.5, device="cpu"))
    load_weights(vae, weights, file)
    return vae.to(device), step


def _is_vector(value: object) -> TypeGuard[Tensor]:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.dim() == 1
        and value.is_floating_point()
    )


def _load_either(folder: RunFolder, file: Path, device: torch.device | str) -> dict[str, Any]:
    """A checkpoint; where it is no good and the run's other one is, the error says so."""
    try:
        return load_checkpoint(file, device)
    except CheckpointError as error:
        other = folder.last if file == folder.best else folder.best
        try:
            load_checkpoint(other)
        except CheckpointError:
            remedy = "train again in another run.dir"
        else:
            remedy = f"{other} is good: evaluate.py takes it with eval.checkpoint={other.stem}"
        raise CheckpointError(f"{error}; {remedy}") from None


def _check_made_so(config: Config, made: object, file: Path, folder: RunFolder) -> None:
    """The model of a checkpoint is the one that config.yaml describes."""
    says = config.model_dump(mode="json")
    was = made if isinstance(made, dict) else {}
    for section in ("flow", "K", "model", "data"):
        for key, left, right in differences({section: was.get(section)}, {section: says[section]}):
            raise CheckpointError(
                f"{file} was made with {key}={left}, but {folder.config_file} says {key}={right}; "
                "put config.yaml right"
            )


def read_data(config: DataConfig) -> Dataset:
    """The data set a configuration names."""
    root = None if config.root is None else Path(config.root)
    return load_dataset(config.name, root, config.binarization, config.train_on_val)
