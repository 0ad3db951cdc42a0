"""A Hydra launcher: one process per run, as many at once as there are cores, with live progress."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import FolderInUseError
from nfvae.experiments.interruption import Interrupted, stop_on_signals
from nfvae.experiments.storage.json_file import read_results_json

if TYPE_CHECKING:
    from nfvae.experiments.launching.plan import PlannedRun
    from nfvae.experiments.launching.processes import Outcome

# -P: files in the current folder cannot replace modules of the same name.
WORKER = (sys.executable, "-P", "-m", "nfvae.experiments.launching.worker")

ERRORS = {"failed": NfvaeError, "interrupted": Interrupted, "in use": FolderInUseError}


class ProcessLauncher(Launcher):
    """Runs training jobs, each in a process with the configuration that this process composed.

    Args:
        num_workers: runs at once; None: one per core, or `runs_per_gpu` per GPU.
        runs_per_gpu: runs that share a GPU.
    """

    __module__ = "hydra_plugins.nfvae"  # Hydra accepts plugins of this package only

    def __init__(self, num_workers: int | None, runs_per_gpu: int) -> None:
        super().__init__()
        self.num_workers = num_workers
        self.runs_per_gpu = runs_per_gpu
        self.complete = 0
        """Number of runs of the sweep that were complete before; for the display."""
        self.planned: Mapping[tuple[str, ...], PlannedRun] = {}
        """Runs that are checked already, by their overrides."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Run all jobs; returns their results in the same order."""
        from nfvae.experiments.launching.display import Display
        from nfvae.experiments.launching.places import make_places
        from nfvae.experiments.launching.processes import Job, Outcome, run_jobs

        setup_globals()
        runs: dict[str, PlannedRun] = {}
        jobs: dict[int, Job] = {}
        returned: dict[int, JobReturn] = {}
        for index, overrides in enumerate(job_overrides):
            number = initial_job_idx + index
            try:
                run = self.planned.get(tuple(overrides)) or self._plan(overrides, number)
            except NfvaeError as error:
                returned[index] = _failed(overrides, error)
                continue
            given = partial(self._given, overrides, number)
            jobs[index] = Job(str(run.path), WORKER, run.path / "train.log", given)
            runs[str(run.path)] = run
        with stop_on_signals() as stop, closing(Display(runs, self.complete)) as display:
            places = make_places(
                [run.config for run in runs.values()], self.num_workers, self.runs_per_gpu
            )
            outcomes = {
                outcome.job.name: outcome
                for outcome in run_jobs(jobs.values(), places, stop, display)
            }
        for index, job in jobs.items():
            outcome = outcomes.get(job.name) or Outcome(job, "interrupted", "not started")
            returned[index] = _returned(outcome, job_overrides[index], runs[job.name].path)
        return [returned[index] for index in sorted(returned)]

    def _given(self, overrides: Sequence[str], number: int) -> bytes:
        """The standard input of a job: its pickled configuration."""
        return pickle.dumps(self._compose(overrides, number))

    def _compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config.hydra.job):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        return config

    def _plan(self, overrides: Sequence[str], number: int) -> "PlannedRun":
        from nfvae.experiments.launching.plan import plan_run
        from nfvae.experiments.terminal.tasks import plain_without_hydra

        return plan_run(plain_without_hydra(self._compose(overrides, number)), overrides)


def _returned(outcome: "Outcome", overrides: Sequence[str], path: Path) -> JobReturn:
    """What Hydra's `run_job` would have returned: the best validation −ELBO, or the error."""
    if outcome.state == "done":
        value = read_results_json(path / "results.json").get("val_neg_elbo")
        return JobReturn(list(overrides), status=JobStatus.COMPLETED, _return_value=value)
    return _failed(overrides, ERRORS[outcome.state](outcome.reason))


def _failed(overrides: Sequence[str], error: Exception) -> JobReturn:
    return JobReturn(overrides=list(overrides), status=JobStatus.FAILED, _return_value=error)
