"""Number of threads and precision of a run: given, as at its first start, or measured."""

from collections.abc import Mapping
from typing import Any, get_args

from nfvae.experiments.configuration.config import TrainerConfig
from nfvae.experiments.configuration.control_group import default_num_threads
from nfvae.experiments.errors import ConfigError
from nfvae.precision import Precision, has_fast_bfloat16
from nfvae.training.tuning import fastest_num_threads, fastest_precision

LONG = 5000  # updates; a shorter run uses one thread and is not measured


def tuned(
    trainer: TrainerConfig, arguments: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """`num_threads` and `precision` of a run, both for its checkpoints.

    Args:
        trainer: the configuration.
        arguments: those of `nfvae.fit`.
        stored: a checkpoint to resume from; a run goes on with what was measured at its start.

    Raises:
        ConfigError: bfloat16 on a device that has no fast products of it.
    """
    device = next(arguments["vae"].parameters()).device
    earlier = stored or {}
    num_threads = trainer.num_threads or earlier.get("num_threads")
    if not isinstance(num_threads, int):
        available = default_num_threads() if device.type == "cpu" else 1
        long = arguments["num_steps"] >= LONG and available > 1
        num_threads = fastest_num_threads(arguments, available) if long else 1
    precision: Any = trainer.precision
    if precision == "auto":
        precision = earlier.get("precision")
        if precision not in get_args(Precision):
            precision = fastest_precision(arguments, num_threads)
    if precision == "bfloat16" and not has_fast_bfloat16(device):
        raise ConfigError(
            f"trainer.precision=bfloat16 is many times slower than float32 on this {device.type}, "
            "which has no instructions for it; use trainer.precision=float32 or auto"
        )
    return {"num_threads": num_threads, "precision": precision}
