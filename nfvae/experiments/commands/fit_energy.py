"""fit_energy.py: fit a flow to a 2-D energy, or compare many such fits in one figure."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from nfvae.experiments.cli import command_line
from nfvae.experiments.composition import overrides
from nfvae.experiments.energies.comparison import ComparisonConfig, run_tasks
from nfvae.experiments.energies.task import FitTask, load_posterior, run_task, write_results
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.figures.energy import energy_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, StopRequest, stop_on_signals
from nfvae.experiments.sections import check_section
from nfvae.posterior import FlowPosterior


class FitEnergyConfig(FitTask):
    """What fit_energy.py takes: one fit, or a comparison of many."""

    dir: Annotated[str, Field(min_length=1)] | None
    comparison: ComparisonConfig | None
    num_workers: Annotated[int, Field(ge=1, le=256)]

    @property
    def task(self) -> FitTask:
        """The one fit, or what those of a comparison have in common."""
        return FitTask.model_validate({name: getattr(self, name) for name in FitTask.model_fields})


def fit_energy(composed: Mapping[str, Any]) -> int:
    """Returns the exit status; raises NfvaeError."""
    config = check_section(FitEnergyConfig, composed)
    torch.set_num_threads(1)
    with stop_on_signals() as stop:
        try:
            if config.comparison is None:
                _fit_one(config, stop)
            else:
                _compare(config, config.comparison, stop)
        except Interrupted as reason:
            print(f"{reason}; complete fits are kept. To go on: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
    return 0


def _fit_one(config: FitEnergyConfig, stop: StopRequest) -> None:
    task = config.task
    task.check()
    folder = Path("outputs") / task.name if config.dir is None else Path(config.dir)
    results = run_task(task, folder, stop)
    fitted = load_posterior(task, folder), results["kl"]
    save_png(energy_figure({task.energy: [fitted]}, [task.title]), folder / "figure.png")
    print(_line(results))
    print(f"written to  {folder}")


def _compare(config: FitEnergyConfig, comparison: ComparisonConfig, stop: StopRequest) -> None:
    for key in (override.lstrip("+~").split("=")[0].split(".")[0] for override in overrides()):
        if key in ("energy", "flow", "K"):
            raise ConfigError(f"comparison={comparison.name} chooses {key} itself; leave {key} out")
    tasks = comparison.tasks(config.task)
    for task in tasks:
        task.check()
    name = f"{comparison.name}_seed{config.seed}"
    folder = Path("outputs") / name if config.dir is None else Path(config.dir)
    fits = folder / "fits"

    started = time.perf_counter()
    by_name = {}
    for results in run_tasks(tasks, fits, config.num_workers, stop):
        print(_line(results), flush=True)
        by_name[FitTask.model_validate(results["config"]).name] = results
    rows: dict[str, list[tuple[FlowPosterior, float]]] = {
        energy: [
            (load_posterior(task, fits / task.name), by_name[task.name]["kl"])
            for task in tasks
            if task.energy == energy
        ]
        for energy in comparison.energies
    }
    titles = [task.title for task in tasks if task.energy == comparison.energies[0]]
    write_results(folder, {"fits": [by_name[task.name] for task in tasks]})
    save_png(energy_figure(rows, titles), folder / "figure.png")
    print(f"written to  {folder} and {fits} after {time.perf_counter() - started:.0f} s")


def _line(results: Mapping[str, Any]) -> str:
    line = (
        f"{results['energy']} {results['flow']} K={results['K']}: "
        f"KL(q‖p) {results['kl']:.4f} ± {results['kl_se']:.4f} nats by samples"
    )
    if results["kl_grid"] is not None:
        line += f", {results['kl_grid']:.4f} by the grid"
        if (
            abs(results["grid_mass"] - 1) > 1e-3
        ):  # q has filaments thinner than a cell, or far tails
            line += f" (which sees {results['grid_mass']:.3f} of q)"
    return f"{line}; fitted in {results['fit_seconds']:.0f} s"
