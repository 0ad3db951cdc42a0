"""One fit, from its settings to its files.

Files: posterior.pt, samples.npy, and results.json, which is written last and marks a complete fit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from nfvae.energies.fit import UnconditionalPosterior, fit_energy, free_energy
from nfvae.energies.kl import kl_by_samples, kl_on_grid, log_normalizer
from nfvae.energies.targets import ENERGIES, Energy
from nfvae.errors import DivergenceError, NotInvertibleError
from nfvae.experiments.configuration.build import build_optimizer
from nfvae.experiments.configuration.config import NumTransforms, Optim, Seed
from nfvae.experiments.configuration.control_group import available_memory
from nfvae.experiments.configuration.memory import numbers_per_parameter, require_memory
from nfvae.experiments.configuration.parts import build_flow, check_flow, flow_size, sizes
from nfvae.experiments.configuration.sections import Section
from nfvae.experiments.errors import CheckpointError, RunFolderError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.provenance import provenance
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.storage.checkpoint import load_checkpoint, save_checkpoint
from nfvae.experiments.storage.json_file import check_numbers, read_results_json, write_json
from nfvae.posterior import FlowPosterior
from nfvae.seeds import stream_seed
from nfvae.training.checks import check_weights
from nfvae.training.schedule import warmup_decay

NUM_SAVED_SAMPLES = 10_000
NUM_RANKING_SAMPLES = 20_000  # of each start
PRINTED = {"kl", "kl_se", "kl_grid", "grid_mass", "fit_seconds"}

EnergyName = Literal["U1", "U2", "U3", "U4"]


class FitConfig(Section):
    """Updates per start, samples of q per update, annealing, and the number of starts."""

    max_steps: Annotated[int, Field(ge=1)]
    num_samples: Annotated[int, Field(ge=1, le=1_000_000)]
    annealing_start: Annotated[float, Field(ge=0, le=1)]
    annealing_steps: Annotated[int, Field(ge=1)]
    restarts: Annotated[int, Field(ge=1, le=1000)]


class FitTask(Section):
    """All settings of a fit. Its methods raise ConfigError if the flow cannot be built."""

    energy: EnergyName
    flow: dict[str, Any]
    K: NumTransforms
    seed: Seed
    fit: FitConfig
    optim: Optim

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.energy}_{self.flow['name']}_K{self.K}_seed{self.seed}"

    @property
    def title(self) -> str:
        """The title in a figure."""
        return f"{self.flow['name']} K={self.K}"

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """Batch shapes of the starts: all at once, or one by one if the flow has weights."""
        flow, K = check_flow(self.flow, self.K)
        restarts = self.fit.restarts
        return [()] * restarts if flow_size(flow, 2, K).num_weights else [(restarts,)]

    def check(self) -> None:
        """Check before any work that the fit fits into memory; raises ConfigError."""
        flow, K = check_flow(self.flow, self.K)
        size, num_samples = flow_size(flow, 2, K), self.fit.num_samples
        at_once = torch.Size(self.batches[0]).numel()
        settings = {"fit.num_samples": num_samples, "fit.restarts": self.fit.restarts}
        require_memory(
            at_once * (size.param_size + size.num_weights),
            numbers_per_parameter(self.optim),
            at_once * num_samples * 2 * (self.K + 1),
            available_memory(torch.device("cpu")),
            {"K": self.K, **sizes(self.flow), **settings},
        )

    def posterior(self, batch_shape: Sequence[int] = ()) -> UnconditionalPosterior:
        """A new q, or a batch of them, with initial parameters from torch's global generator."""
        flow, K = check_flow(self.flow, self.K)
        return UnconditionalPosterior(build_flow(flow, 2, K), batch_shape)


def run_task(
    task: FitTask,
    folder: Path,
    stop: StopRequest,
    on_start: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Fit from several starts, measure the best one; returns the content of results.json.

    A complete fit is not repeated: its results are read. Seeds torch's global generator: the same
    task gives the same numbers in any process (with the same thread count and processor).

    Args:
        task: the settings.
        folder: the folder of the files.
        stop: ends the fit when it is set.
        on_start: called with a line of text after each start.

    Raises:
        ConfigError, RunFolderError, DivergenceError: a setting or the folder cannot be used, or
            every start diverged.
        Interrupted: `stop` was set.
    """
    if (done := read_results(task, folder)) is not None:
        return done
    task.check()
    made_by = provenance()
    make_output_folder(folder, "dir=")
    energy = ENERGIES[task.energy]
    log_z = log_normalizer(energy)
    generator = torch.Generator().manual_seed(stream_seed(task.seed, "training"))
    started, started_cpu = time.perf_counter(), time.process_time()
    posterior, restart_kls = _best_start(task, energy, log_z, generator, stop, on_start)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu

    num_parameters = sum(p.numel() for p in posterior.parameters())
    q = posterior.double()()
    kl = kl_by_samples(q, energy, log_z, generator, on_chunk=stop.check)
    grid = None
    with suppress(NotInvertibleError):
        grid = kl_on_grid(q, energy, log_z, on_chunk=stop.check)
    results = {
        "energy": task.energy,
        "flow": task.flow["name"],
        "K": task.K,
        "seed": task.seed,
        "kl": kl.value,
        "kl_se": kl.standard_error,
        "kl_grid": None if grid is None else grid.value,
        "grid_mass": None if grid is None else grid.mass,
        "log_z": log_z,
        "free_energy": kl.value - log_z,
        "restart_kls": restart_kls,
        "steps": task.fit.max_steps,
        "num_parameters": num_parameters,
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "num_threads": torch.get_num_threads(),
        **made_by,
        "config": task.model_dump(mode="json"),
    }
    save_checkpoint(folder / "posterior.pt", {"posterior": posterior.state_dict()})
    with torch.no_grad():
        samples = q.draw((NUM_SAVED_SAMPLES,), generator).z.float().numpy()
    content = BytesIO()
    np.save(content, samples, allow_pickle=False)
    write_atomically(folder / "samples.npy", content.getvalue())
    write_results(folder, results)
    return results


def _best_start(
    task: FitTask,
    energy: Energy,
    log_z: float,
    generator: torch.Generator,
    stop: StopRequest,
    on_start: Callable[[str], None],
) -> tuple[UnconditionalPosterior, list[float | None]]:
    """Fit from each start; returns the best q, and the KL of each start (None: it diverged)."""
    torch.manual_seed(stream_seed(task.seed, "weights"))
    best, kls = None, list[float | None]()
    fit, optim = task.fit, task.optim
    for batch_shape in task.batches:
        posterior = task.posterior(batch_shape)
        fit_energy(
            posterior,
            energy,
            fit.max_steps,
            optimizer=build_optimizer(optim, posterior.parameters()),
            schedule=warmup_decay(fit.max_steps, optim.warmup_steps, optim.decay),
            grad_clip=optim.grad_clip,
            num_samples=fit.num_samples,
            annealing_start=fit.annealing_start,
            annealing_steps=fit.annealing_steps,
            generator=generator,
            on_step=stop.check,
        )
        with torch.no_grad():
            # New samples, since a q can be adapted to the samples of its last steps.
            draw = posterior().draw((NUM_RANKING_SAMPLES,), generator)
            estimates = free_energy(draw, energy).mean(0).flatten() + log_z
        for kl, member in zip(estimates.tolist(), posterior.members(), strict=True):
            kls.append(kl if isfinite(kl) else None)
            result = f"KL(q‖p) {kl:.3f} nats" if isfinite(kl) else "diverged"
            on_start(f"{task.name}: start {len(kls)} of {fit.restarts}: {result}")
            if isfinite(kl) and (best is None or kl < best[0]):
                best = kl, member
    if best is None:
        raise DivergenceError("the free energy of every fit is NaN or infinite; lower optim.lr")
    return best[1], kls


def read_results(task: FitTask, folder: Path) -> dict[str, Any] | None:
    """The content of results.json of this task; None if the fit is not complete.

    Raises:
        RunFolderError: the file is damaged, or belongs to another configuration.
    """
    file = folder / "results.json"
    if not file.exists():
        return None
    results = read_results_json(file, {"config", "energy", "flow", "K", "restart_kls", *PRINTED})
    check_numbers(file, results, PRINTED, or_null={"kl_grid", "grid_mass"})
    if results["config"] != task.model_dump(mode="json"):
        raise RunFolderError(
            f"{folder} holds a fit of another configuration; use another dir, or delete that fit"
        )
    return results


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Write results.json, which marks the folder as complete."""
    make_output_folder(folder, "dir=")
    write_json(folder / "results.json", results)


def load_posterior(task: FitTask, folder: Path) -> FlowPosterior:
    """The fitted q of a complete task, in float64, batch shape ().

    Raises:
        CheckpointError: the file is missing, damaged, or of another flow.
    """
    file = folder / "posterior.pt"
    posterior = task.posterior().double()
    try:
        weights = load_checkpoint(file)["posterior"]
        check_weights(posterior, weights)
        posterior.load_state_dict(weights)
    except (KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        summary = str(error).splitlines()[0]
        raise CheckpointError(
            f"{file} does not fit {task.name} ({summary}); delete {folder / 'results.json'} and "
            "give the same command again"
        ) from None
    fitted: FlowPosterior = posterior.requires_grad_(False)()
    return fitted
