"""The benchmark on a GPU: updates per second with and without CUDA graphs, and time of the NLL.

On a CPU it is only rehearsed: few updates, none of them as a graph, and figures without meaning.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from nfvae.data import Dataset
from nfvae.evaluation import estimate_nll
from nfvae.experiments.benchmark.jax_step import JaxStep
from nfvae.experiments.benchmark.timing import interleaved
from nfvae.experiments.configuration.build import fit_arguments
from nfvae.experiments.configuration.config import Config
from nfvae.precision import Precision, has_fast_bfloat16
from nfvae.training import Training

WHOLE_RUN = 40_000  # updates of a run by default


def gpu_rows(
    runs: Mapping[Any, Config], data: Dataset, device: torch.device, repeats: int, peers: bool
) -> Iterator[dict[str, Any]]:
    """For each configuration: updates per second, and seconds and memory of the NLL."""
    rehearsal = device.type == "cpu"
    calls, repeats = (2, 1) if rehearsal else (50, repeats)
    images, num_samples = (2, 20) if rehearsal else (1000, 5000)
    for config in runs.values():
        row: dict[str, Any] = {"K": config.K, "B": config.trainer.batch_size}
        with Memory(device) as memory:
            row |= updates_per_second(config, data, device, calls, repeats, peers)
        row |= {"s for a run": WHOLE_RUN / row["graph"], "step MB": memory.megabytes}
        with Memory(device) as memory:
            seconds = nll_seconds(config, data, device, images, num_samples)
        row |= {f"s for NLL, {images} images, S={num_samples}": seconds}
        yield row | {"NLL MB": memory.megabytes}


def updates_per_second(
    config: Config, data: Dataset, device: torch.device, calls: int, repeats: int, peers: bool
) -> dict[str, float]:
    """Whole updates per second: as usual and as a CUDA graph, in float32 and bfloat16, and in JAX.

    The host waits for the device once every `calls` updates.
    """
    on_gpu = device.type == "cuda"

    def case(precision: Precision, cuda_graph: bool) -> Callable[[], None]:
        arguments = fit_arguments(config, data.to(device), device)
        graph = {"cuda_graph": cuda_graph and on_gpu}
        training = Training(**{**arguments, **graph, "precision": precision})

        def run() -> None:
            for _ in range(calls):
                training.update()
            synchronize(device)

        return run

    cases = {"eager": case("float32", False), "graph": case("float32", True)}
    if has_fast_bfloat16(device):
        cases |= {"bf16": case("bfloat16", False), "bf16 graph": case("bfloat16", True)}
    if peers and (jax := jax_updates(config, data, device, calls)):
        cases["jax"] = jax
    return {name: calls / seconds for name, seconds in interleaved(cases, repeats).items()}


def jax_updates(
    config: Config, data: Dataset, device: torch.device, calls: int
) -> Callable[[], None] | None:
    """The same updates in JAX; None if JAX is not installed for this device."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else most of the memory
    try:
        import jax
    except ImportError:
        return None
    if (jax.default_backend() == "cpu") != (device.type == "cpu"):
        return None
    step = JaxStep(Training(**fit_arguments(config, data, torch.device("cpu"))))

    def run() -> None:
        for _ in range(calls):
            loss = step.start()
        loss.block_until_ready()

    return run


def nll_seconds(
    config: Config, data: Dataset, device: torch.device, images: int, num_samples: int
) -> float:
    """Seconds of the importance-weighted NLL of this many test images."""
    vae = fit_arguments(config, data.to(device), device)["vae"]
    split = replace(data.test, images=data.test.images[:images], labels=None).to(device)
    generator = torch.Generator(device).manual_seed(0)
    # The result is a number on the host, so nothing is left to wait for.
    run = {"nll": lambda: estimate_nll(vae, split, num_samples, generator)}
    return interleaved(run, repeats=1)["nll"]


class Memory:
    """The most memory that tensors had on a GPU during a block, in MB; None on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.megabytes: float | None = None

    def __enter__(self) -> "Memory":
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        return self

    def __exit__(self, *error: object) -> None:
        if self._device.type == "cuda":
            self.megabytes = torch.cuda.max_memory_allocated(self._device) / 1e6


def synchronize(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
