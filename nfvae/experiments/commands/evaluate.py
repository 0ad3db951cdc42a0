"""evaluate.py: measure a run's checkpoint again, on the test split or another."""

import sys
from collections.abc import Mapping
from typing import Any

import torch

from nfvae.data import Dataset, Split, SplitName
from nfvae.experiments.configuration.config import Checkpoint, Device, MeasureConfig, NumThreads
from nfvae.experiments.configuration.control_group import default_num_threads
from nfvae.experiments.configuration.device import choose_device, device_name
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, stop_on_signals
from nfvae.experiments.monitoring.summary import summary
from nfvae.experiments.running.loading import check_same_kind, load_vae_and_step
from nfvae.experiments.running.measure import measure
from nfvae.experiments.running.provenance import provenance
from nfvae.experiments.storage.atomic import require_writable
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.terminal.call import command_line
from nfvae.paths import expand


class CheckpointConfig(MeasureConfig):
    """How to measure, and which checkpoint; null: that of the run's own results."""

    checkpoint: Checkpoint | None


class RootConfig(Section):
    """Where the data are; null: as in the run."""

    root: str | None


class EvaluateConfig(Section):
    """The settings of evaluate.py."""

    run: str
    data: RootConfig
    split: SplitName
    device: Device
    num_threads: NumThreads | None
    eval: CheckpointConfig


def evaluate(composed: Mapping[str, Any]) -> int:
    """Measure a run again, and write the numbers to its folder; returns the exit status."""
    config = check_section(EvaluateConfig, composed)
    folder = RunFolder(expand(config.run, "run"))
    run = folder.parse_config()
    require_writable(folder.path)
    device = choose_device(config.device)
    torch.set_num_threads(config.num_threads or default_num_threads())
    checkpoint = config.eval.checkpoint or run.eval.checkpoint
    vae, step = load_vae_and_step(folder.path, checkpoint, device)
    made_by = provenance()
    root = {} if config.data.root is None else {"root": config.data.root}
    data = read_data(run.data | root)
    check_same_kind(vae, data)
    split = _split(data, config.split)
    with stop_on_signals() as stop:
        try:
            results = measure(vae, split.to(device), config.split, config.eval, checkpoint, stop)
        except Interrupted as reason:
            print(f"{reason}; nothing was written. To repeat: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
    described = {
        "run": config.run,
        "checkpoint": checkpoint,
        "step": step,
        "elbo_draws": config.eval.elbo_draws,
        "eval_seed": config.eval.seed,
        "binarization": data.binarization,
        "train_on_val": data.val is None,
        "data_digest": data.digest,
        "device": device_name(device),
        "num_threads": torch.get_num_threads(),
    }
    written = folder.write_evaluation(results | described | made_by)
    print(summary(results))
    print(f"written to  {written}")
    return 0


def _split(data: Dataset, name: SplitName) -> Split:
    """The requested split, which must not be empty or have bits drawn for each batch."""
    allowed = ", ".join(key for key, split in data.splits.items() if not split.dynamic)
    if name not in data.splits:
        raise ConfigError(
            f"split={name} is empty: the model was trained on these images; allowed: {allowed}"
        )
    if data.splits[name].dynamic:
        raise ConfigError(
            f"split={name} has no fixed images to measure: its bits are drawn for each batch "
            f"(data.binarization={data.binarization}); allowed: {allowed}"
        )
    return data.splits[name]
