"""Load the models of run folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nfvae.data import Dataset
from nfvae.experiments.configuration.build import build_vae
from nfvae.experiments.configuration.config import Checkpoint, Config
from nfvae.experiments.errors import CheckpointError, ConfigError
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import differences
from nfvae.paths import expand
from nfvae.training.checks import check_weights, checked
from nfvae.vae import VAE

MODEL = {"flow", "K", "model", "likelihood", "prior", "data"}
"""The sections of a configuration that a model depends on."""
UNFIT = (KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError)
"""Errors that a checkpoint with other content raises when it is loaded into a model."""


def load_vae(
    path: Path | str,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> VAE:
    """The trained model of a run folder, in evaluation mode.

    Args:
        path: the run's folder; ~ is expanded.
        checkpoint: "best" or "last"; None is the checkpoint of the run's results.
        device: the model's device.

    Raises:
        RunFolderError, CheckpointError, ConfigError: the folder holds no usable model.
        ValueError: there is no such checkpoint.

    >>> import tempfile
    >>> from nfvae import compose, load, train
    >>> folder = tempfile.mkdtemp()
    >>> run = compose("K=2", "model.hidden=[20]", "trainer.max_steps=2", "eval.num_samples=0")
    >>> results = train(run, folder)
    >>> load(folder).sample(3).shape
    torch.Size([3, 1, 28, 28])
    """
    return load_vae_and_step(path, checkpoint, device)[0]


def load_vae_and_step(
    path: Path | str,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> tuple[VAE, int]:
    """As `load_vae`, with the number of updates of the model."""
    if checkpoint not in ("best", "last", None):
        raise ValueError(f"checkpoint={checkpoint!r} is not known; allowed: 'best', 'last', None")
    folder = RunFolder(expand(path, "path"))
    config = folder.parse_config()
    file = folder.best if (checkpoint or config.eval.checkpoint) == "best" else folder.last
    content = load_or_advise(file, device, lambda: _other_checkpoint(folder, file))
    check_same_model(config, content.get("config"), file, folder)
    try:
        shape = checked(content, "image_shape", list)
        if len(shape) != 3 or not all(type(n) is int and 1 <= n <= 10_000 for n in shape):
            raise ValueError(f"image_shape is {shape!r:.40}")
        step: int = checked(content, "step", int)
        vae = build_vae(config, (shape[0], shape[1], shape[2]))
        load_weights(vae, content, file)
    except UNFIT as error:
        raise does_not_fit(file, error) from None
    return vae.to(device).eval(), step


def check_same_kind(vae: VAE, data: Dataset) -> None:
    """Check that the data of a run still fit its model: their file can change."""
    try:
        vae.check_data(data.image_shape, data.values)
    except ValueError as error:
        raise ConfigError(f"{error}; restore the data that it was trained on") from None


def load_weights(vae: VAE, content: dict[str, Any], file: Path) -> None:
    """Load a checkpoint's weights into a model, which they must fit."""
    try:
        check_weights(vae, content["model"])
        vae.load_state_dict(content["model"])
    except UNFIT as error:
        raise does_not_fit(file, error) from None


def does_not_fit(file: Path, error: Exception) -> CheckpointError:
    """The error of a checkpoint whose content does not fit."""
    return CheckpointError(
        f"{file} does not fit the run's configuration ({' '.join(str(error).split())[:160]})"
    )


def check_same_model(config: Config, made: object, file: Path, folder: RunFolder) -> None:
    """Check that a checkpoint's model is the one in config.yaml."""
    now = config.model_dump(mode="json", include=MODEL)
    was = {key: made.get(key) for key in MODEL} if isinstance(made, dict) else {}
    for key, left, right in differences(was, now):
        raise CheckpointError(
            f"{file} was made with {key}={left}, but {folder.config_file} says {key}={right}; "
            "restore config.yaml"
        )


def load_or_advise(
    file: Path, device: torch.device | str, advice: Callable[[], str]
) -> dict[str, Any]:
    """Load a checkpoint. If it cannot be used, the error ends with the advice."""
    try:
        return load_checkpoint(file, device)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {advice()}") from None


def _other_checkpoint(folder: RunFolder, file: Path) -> str:
    """Advice for a run with an unusable checkpoint."""
    other = folder.last if file == folder.best else folder.best
    try:
        load_checkpoint(other)
    except CheckpointError:
        return "train again in another run.dir"
    return f"{other} is good: evaluate it with eval.checkpoint={other.stem}"
