"""One fit from its description to its files.

results.json (written last: the fit is complete)  posterior.pt  samples.npy  figure.png
"""

import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from nfvae.energies.fit import UnconditionalPosterior, fit_energy
from nfvae.energies.kl import kl_by_samples, kl_on_grid, log_normalizer
from nfvae.energies.targets import ENERGIES
from nfvae.errors import NotInvertibleError
from nfvae.experiments.build import build_optimizer
from nfvae.experiments.config import NumTransforms, Optim, Seed
from nfvae.experiments.errors import CheckpointError, RunFolderError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.memory import available_memory, numbers_per_parameter, require_memory
from nfvae.experiments.parts import build_flow, check_flow, flow_size, sizes
from nfvae.experiments.provenance import provenance
from nfvae.experiments.sections import Section
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.storage.checkpoint import load_checkpoint, save_checkpoint
from nfvae.experiments.storage.json_file import check_numbers, read_results_json, write_json
from nfvae.posterior import FlowPosterior
from nfvae.seeds import stream_seed
from nfvae.training.schedule import warmup_decay

NUM_SAVED_SAMPLES = 10_000
PRINTED = {"kl", "kl_se", "kl_grid", "grid_mass", "fit_seconds"}

EnergyName = Literal["U1", "U2", "U3", "U4"]


class FitConfig(Section):
    """How long a flow is fitted, by how many samples of q per update, and β's rise."""

    max_steps: Annotated[int, Field(ge=1)]
    num_samples: Annotated[int, Field(ge=1, le=1_000_000)]
    annealing_start: Annotated[float, Field(ge=0, le=1)]
    annealing_steps: Annotated[int, Field(ge=1)]


class FitTask(Section):
    """Everything a fit depends on."""

    energy: EnergyName
    flow: dict[str, Any]
    K: NumTransforms
    seed: Seed
    fit: FitConfig
    optim: Optim

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.energy}_{self.flow['name']}_K{self.K}_seed{self.seed}"

    @property
    def title(self) -> str:
        """For a figure."""
        return f"{self.flow['name']} K={self.K}"

    def check(self) -> None:
        """What can be found wrong before any work.

        Raises:
            ConfigError: flow and options do not go together, or not into memory.
        """
        flow, K = check_flow(self.flow, self.K)
        size = flow_size(flow, 2, K)
        require_memory(
            size.param_size + size.num_weights,
            numbers_per_parameter(self.optim),
            self.fit.num_samples * 2 * (self.K + 1),
            available_memory(torch.device("cpu")),
            {"K": self.K, **sizes(self.flow), "fit.num_samples": self.fit.num_samples},
        )

    def posterior(self) -> UnconditionalPosterior:
        """Where the fit starts; draws from torch's global generator.

        Raises:
            ConfigError: flow and options do not go together, or not with two dimensions.
        """
        flow, K = check_flow(self.flow, self.K)
        return UnconditionalPosterior(build_flow(flow, 2, K))


def run_task(task: FitTask, folder: Path, stop: StopRequest) -> dict[str, Any]:
    """Fit, measure and write; returns what results.json holds. A complete fit is not repeated.

    Seeds torch's global generator: a task gives the same numbers wherever it runs (same thread
    count and processor).

    Raises:
        ConfigError, RunFolderError, DivergenceError: it cannot be done.
        Interrupted: `stop` was set.
    """
    done = read_results(task, folder)
    if done is not None:
        return done
    task.check()
    made_by = provenance()
    make_output_folder(folder, "dir=")
    torch.manual_seed(stream_seed(task.seed, "weights"))
    posterior = task.posterior()
    generator = torch.Generator().manual_seed(stream_seed(task.seed, "training"))
    energy = ENERGIES[task.energy]
    started, started_cpu = time.perf_counter(), time.process_time()
    optim = task.optim
    fit_energy(
        posterior,
        energy,
        task.fit.max_steps,
        optimizer=build_optimizer(optim, posterior.parameters()),
        schedule=warmup_decay(task.fit.max_steps, optim.warmup_steps, optim.decay),
        grad_clip=optim.grad_clip,
        num_samples=task.fit.num_samples,
        annealing_start=task.fit.annealing_start,
        annealing_steps=task.fit.annealing_steps,
        generator=generator,
        on_step=stop.check,
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu

    num_parameters = sum(p.numel() for p in posterior.parameters())
    q = posterior.double()()
    log_z = log_normalizer(energy)
    kl = kl_by_samples(q, energy, log_z, generator)
    results = {
        "energy": task.energy,
        "flow": task.flow["name"],
        "K": task.K,
        "seed": task.seed,
        "kl": kl.value,
        "kl_se": kl.standard_error,
        **_grid_figures(q, task, log_z),
        "log_z": log_z,
        "free_energy": kl.value - log_z,
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


def read_results(task: FitTask, folder: Path) -> dict[str, Any] | None:
    """results.json of a complete fit of just this task; None if there is none yet.

    Raises:
        RunFolderError: it is damaged, or of another configuration.
    """
    file = folder / "results.json"
    if not file.exists():
        return None
    results = read_results_json(file, {"config", "energy", "flow", "K", *PRINTED})
    check_numbers(file, results, PRINTED, or_null={"kl_grid", "grid_mass"})
    if results["config"] != task.model_dump(mode="json"):
        raise RunFolderError(
            f"{folder} holds a fit of another configuration; give this one another dir, or "
            "delete that one"
        )
    return results


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Declare a folder's work complete."""
    make_output_folder(folder, "dir=")
    write_json(folder / "results.json", results)


def load_posterior(task: FitTask, folder: Path) -> FlowPosterior:
    """The fitted q of a complete task, in float64, batch shape ().

    Raises:
        CheckpointError: missing, damaged, or of another flow.
    """
    file = folder / "posterior.pt"
    posterior = task.posterior().double()
    try:
        posterior.load_state_dict(load_checkpoint(file)["posterior"])
    except (KeyError, RuntimeError, AttributeError, TypeError) as error:
        summary = str(error).splitlines()[0]
        raise CheckpointError(
            f"{file} does not fit {task.name} ({summary}); delete {folder / 'results.json'} to "
            "have both made again"
        ) from None
    fitted: FlowPosterior = posterior.requires_grad_(False)()
    return fitted


def _grid_figures(q: FlowPosterior, task: FitTask, log_z: float) -> dict[str, float | None]:
    try:
        grid = kl_on_grid(q, ENERGIES[task.energy], log_z)
    except NotInvertibleError:
        return {"kl_grid": None, "grid_mass": None}
    return {"kl_grid": grid.value, "grid_mass": grid.mass}
