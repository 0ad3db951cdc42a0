"""fit_energy: fit a flow to a 2-D energy, or compare many such fits in one figure."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from nfvae.experiments.configuration.sections import check_section
from nfvae.experiments.energies.comparison import ComparisonConfig, run_tasks
from nfvae.experiments.energies.task import FitTask, load_posterior, run_task, write_results
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.figures.energy import Fitted, energy_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, StopRequest, stop_on_signals
from nfvae.experiments.terminal.call import command_line
from nfvae.experiments.terminal.overrides import overrides
from nfvae.paths import expand


class FitEnergyConfig(FitTask):
    """The settings of fit_energy: one fit, or a comparison of many."""

    dir: str | None
    comparison: ComparisonConfig | None
    num_workers: Annotated[int, Field(ge=1, le=256)]

    @property
    def task(self) -> FitTask:
        """The single fit, or the common settings of all fits of a comparison."""
        return FitTask.model_validate({name: getattr(self, name) for name in FitTask.model_fields})

    def folder(self, name: str) -> Path:
        """The folder of the results, by default of this name."""
        return Path("outputs") / name if self.dir is None else expand(self.dir, "dir")


def fit_energy(composed: Mapping[str, Any]) -> int:
    """Fit, measure and draw; returns the exit status.

    Raises:
        NfvaeError: a setting or folder cannot be used, or a fit failed.
    """
    config = check_section(FitEnergyConfig, composed)
    torch.set_num_threads(1)
    with stop_on_signals() as stop:
        try:
            if config.comparison is None:
                _fit_one(config, stop)
            else:
                _compare(config, config.comparison, stop)
        except Interrupted as reason:
            print(f"{reason}; complete fits are kept. To resume: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
    return 0


def _fit_one(config: FitEnergyConfig, stop: StopRequest) -> None:
    task = config.task
    task.check()
    folder = config.folder(task.name)
    results = run_task(task, folder, stop, partial(print, flush=True))
    _print_result(results)
    fitted = Fitted(task.title, load_posterior(task, folder), results["kl"])
    save_png(energy_figure({task.energy: [fitted]}, stop.check), folder / "figure.png")
    print(f"written to  {folder}")


def _compare(config: FitEnergyConfig, comparison: ComparisonConfig, stop: StopRequest) -> None:
    for key in (override.lstrip("+~").split("=")[0].split(".")[0] for override in overrides()):
        if key in ("energy", "flow", "K"):
            raise ConfigError(f"comparison={comparison.name} chooses {key} itself; leave {key} out")
    tasks = comparison.tasks(config.task)
    for task in tasks:
        task.check()
    folder = config.folder(f"{comparison.name}_seed{config.seed}")
    fits = folder / "fits"
    by_name = run_tasks(tasks, fits, config.num_workers, stop, _print_result)
    write_results(folder, {"fits": [by_name[task.name] for task in tasks]})
    rows: dict[str, list[Fitted]] = {energy: [] for energy in comparison.energies}
    for task in tasks:
        q = load_posterior(task, fits / task.name)
        rows[task.energy].append(Fitted(task.title, q, by_name[task.name]["kl"]))
    save_png(energy_figure(rows, stop.check), folder / "figure.png")
    print(f"written to  {folder}; the fits are in {fits}")


def _print_result(results: Mapping[str, Any]) -> None:
    line = (
        f"{results['energy']} {results['flow']} K={results['K']}: "
        f"KL(q‖p) {results['kl']:.4f} ± {results['kl_se']:.4f} nats by samples"
    )
    if results["kl_grid"] is not None:
        line += f", {results['kl_grid']:.4f} on the grid"
        # q can have filaments thinner than a cell, or far tails.
        if abs(results["grid_mass"] - 1) > 1e-3:
            line += f" (which holds {results['grid_mass']:.3f} of q)"
    if (number := len(results["restart_kls"])) > 1:
        line += f"; best of {number} starts"
    print(f"{line}; {results['fit_seconds']:.0f} s", flush=True)
