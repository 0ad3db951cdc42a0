"""The data of a configuration and the models of run folders."""

from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from nfvae.data import Dataset, load_dataset
from nfvae.experiments.config import Checkpoint, Config, DataConfig, build_flow
from nfvae.experiments.errors import CheckpointError
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import differences
from nfvae.vae import VAE


def read_data(config: DataConfig) -> Dataset:
    """The data set a configuration names."""
    root = None if config.root is None else Path(config.root)
    return load_dataset(config.name, root, config.binarization, config.train_on_val)


def make_vae(config: Config, mean: Tensor) -> VAE:
    """The untrained model for data of this pixel mean; weights from torch's global generator."""
    flow = build_flow(config.flow, config.model.latent_dim, config.K)
    return VAE(flow, mean, config.model.hidden, config.model.activation)


def load_vae(
    path: Path | str,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> VAE:
    """The trained model of a run folder, at the checkpoint its results are of, or another.

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


def load_weights(vae: VAE, weights: dict[str, Tensor], file: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        CheckpointError: they are another model's.
    """
    try:
        vae.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise does_not_fit(file, error) from None


def does_not_fit(file: Path, error: Exception) -> CheckpointError:
    """What to say of a checkpoint whose content has led to an error."""
    what = " ".join(str(error).split())[:160]
    return CheckpointError(f"{file} does not fit the run's configuration ({what})")
