"""Where the runs of a sweep go on one machine: which GPU, which cores."""

import os
import sys
from collections.abc import Iterable

import torch

from nfvae.experiments.configuration.config import Config
from nfvae.experiments.configuration.control_group import num_cores
from nfvae.experiments.configuration.device import choose_device
from nfvae.experiments.launching.processes import Place


def make_places(
    configs: Iterable[Config], num_workers: int | None = None, runs_per_gpu: int = 1
) -> list[Place]:
    """Places for the runs of a sweep.

    Args:
        configs: the runs' configurations.
        num_workers: runs at once; None: one per core, or `runs_per_gpu` per GPU.
        runs_per_gpu: runs that share a GPU.
    """
    configs = list(configs)
    on_gpu = [c.device for c in configs if choose_device(c.device).type == "cuda"]
    any_gpu = on_gpu and not any(":" in device for device in on_gpu)
    gpus = visible_gpus() if any_gpu else []
    if num_workers is None:
        threads = max((c.trainer.num_threads or 1 for c in configs), default=1)
        by_core = max(1, num_cores() // threads)
        num_workers = runs_per_gpu * max(1, len(gpus)) if on_gpu else by_core
    cores = _cores()
    pinned = len(cores) if num_workers <= len(cores) else 0
    return [
        Place(
            {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {},
            frozenset(cores[number:pinned:num_workers]),
        )
        for number in range(num_workers)
    ]


def visible_gpus() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return [str(n) for n in range(count)] if named is None else named.split(",")[:count]


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
