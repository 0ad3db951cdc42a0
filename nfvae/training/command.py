"""train.py and evaluate.py, from a composed configuration to an exit status."""

import shlex
import sys
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from nfvae.config import Config, EvalConfig, Section, check_section, parse_config
from nfvae.data import batches_in_order
from nfvae.reporting.run_figure import run_figure
from nfvae.training.atomic import write_atomically
from nfvae.training.device import choose_device
from nfvae.training.interruption import EXIT_STATUS, Interrupted, stop_on_signals
from nfvae.training.results import measure
from nfvae.training.run import load_vae, read_data, run_training
from nfvae.training.run_folder import RunFolder, default_name


def train_command(composed: DictConfig) -> int:
    """Train, or go on training, in the folder that the configuration gives the run."""
    config = parse_config(_plain(composed))
    folder = RunFolder(_run_path(config))
    if folder.results.exists():
        print(f"{folder.path} is complete already")
    else:
        print(f"run folder  {folder.path}")
        print(f"watch it    tensorboard --logdir {shlex.quote(str(folder.path))}", flush=True)
    with stop_on_signals() as stop:
        try:
            results = run_training(config, folder, stop)
        except Interrupted as reason:
            print(f"{reason}; saved. To go on: {_command()}", file=sys.stderr)
            return EXIT_STATUS
    minutes = results["train_seconds"] / 60
    print(f"trained     {results['steps']} steps in {minutes:.1f} min")
    print(_summary(results))
    print(f"next        python scripts/evaluate.py run={folder.path} eval.num_samples=5000")
    return 0


class EvaluateConfig(Section):
    """What evaluate.py takes."""

    run: str
    device: Literal["auto", "cpu", "cuda"]
    num_threads: Annotated[int, Field(ge=1)] | None
    eval: EvalConfig


def evaluate_command(composed: DictConfig) -> int:
    """Measure a run's checkpoint on the test split again; the figures go to evaluation.json."""
    config = check_section(EvaluateConfig, _plain(composed))
    folder = RunFolder(Path(config.run))
    run = parse_config(folder.read_config())
    device = choose_device(config.device)
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    vae = load_vae(folder.path, config.eval.checkpoint, device)
    test = read_data(run.data).test.to(device)
    with stop_on_signals() as stop:
        try:
            results = measure(vae, test, config.eval, stop)
        except Interrupted as reason:
            print(f"{reason}; nothing was written. To repeat: {_command()}", file=sys.stderr)
            return EXIT_STATUS
    described = {
        "run": config.run,
        "checkpoint": config.eval.checkpoint,
        "split": "test",
        "binarization": run.data.binarization,
    }
    folder.write_evaluation(results | described)
    print(_summary(results))
    print(f"written to  {folder.evaluation}")
    return 0


class PictureConfig(Section):
    """What picture.py takes."""

    run: str
    file: str | None
    seed: Annotated[int, Field(ge=0)]


def picture_command(composed: DictConfig) -> int:
    """Draw reconstructions and samples of a run's best checkpoint."""
    config = check_section(PictureConfig, _plain(composed))
    folder = RunFolder(Path(config.run))
    run = parse_config(folder.read_config())
    data = read_data(run.data)
    x = next(batches_in_order(data.test, 32))
    figure = run_figure(load_vae(folder.path), x, data.image_shape, config.seed)
    file = Path(config.file) if config.file is not None else folder.path / "picture.png"
    image = BytesIO()
    figure.savefig(image, format="png", dpi=100)
    write_atomically(file, image.getvalue())
    print(f"written to  {file}")
    return 0


def _plain(composed: DictConfig) -> dict[str, Any]:
    mapping = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(mapping, dict)
    return {str(key): value for key, value in mapping.items()}


def _run_path(config: Config) -> Path:
    if config.run.dir is not None:
        return Path(config.run.dir)
    overrides = HydraConfig.get().overrides.task
    return Path("outputs") / (config.run.name or default_name(config, overrides))


def _command() -> str:
    return " ".join(["python", *map(shlex.quote, sys.argv)])


def _summary(results: dict[str, Any]) -> str:
    lines = [
        f"test −ELBO  {results['neg_elbo']:.2f} ± {results['neg_elbo_se']:.2f} nats",
        f"            = distortion {results['distortion']:.2f} + KL {results['kl']:.2f}"
        f"  (Σ log-det {results['sum_log_det']:.2f}, {results['active_units']} active units)",
    ]
    if "nll" in results:
        samples = results["num_importance_samples"]
        lines.append(
            f"test NLL    {results['nll']:.2f} ± {results['nll_se']:.2f} nats, S = {samples}"
        )
    return "\n".join(lines)
