"""A Hydra launcher: one process per run, as many at once as there are cores, with live progress."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from nfvae.errors import NfvaeError
from nfvae.experiments.interruption import Interrupted, stop_on_signals

if TYPE_CHECKING:
    from nfvae.experiments.launching.plan import PlannedRun

# -P: files in the current folder cannot replace modules of the same name.
WORKER = (sys.executable, "-P", "-m", "nfvae.experiments.launching.worker")


class ProcessLauncher(Launcher):
    """Runs training jobs, each in a process with the configuration that this process composed.

    Args:
        num_workers: runs at once; None: one per core, or a single one on a GPU.
    """

    __module__ = "hydra_plugins.nfvae"  # Hydra accepts plugins of this package only

    def __init__(self, num_workers: int | None) -> None:
        super().__init__()
        self.num_workers = num_workers
        self.complete = 0
        """Number of runs of the sweep that were complete before; for the display."""

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
        from nfvae.experiments.launching.processes import Job, Outcome, run_jobs

        setup_globals()
        runs: dict[str, PlannedRun] = {}
        jobs: dict[int, Job] = {}
        returned: dict[int, JobReturn] = {}
        for index, overrides in enumerate(job_overrides):
            config = self._compose(list(overrides), initial_job_idx + index)
            try:
                run = self._plan(config, overrides)
            except NfvaeError as error:
                returned[index] = _failed(overrides, error)
                continue
            payload = pickle.dumps((self.task_function.__name__, config))
            jobs[index] = Job(str(run.path), WORKER, run.path / "train.log", payload)
            runs[str(run.path)] = run
        with stop_on_signals() as stop, closing(Display(runs, self.complete)) as display:
            workers = num_workers(self.num_workers, runs)
            outcomes = {
                outcome.job.name: outcome
                for outcome in run_jobs(jobs.values(), workers, stop, display)
            }
        for index, job in jobs.items():
            outcome = outcomes.get(job.name) or Outcome(job, "interrupted", "not started")
            kind = Interrupted if outcome.state == "interrupted" else NfvaeError
            returned[index] = outcome.returned or _failed(
                job_overrides[index], kind(outcome.reason)
            )
        return [returned[index] for index in sorted(returned)]

    def _compose(self, overrides: list[str], number: int) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        return config

    def _plan(self, config: DictConfig, overrides: Sequence[str]) -> "PlannedRun":
        from nfvae.experiments.launching.plan import plan_run
        from nfvae.experiments.terminal.tasks import plain

        keys = [str(key) for key in config if key != "hydra"]
        return plan_run(plain(OmegaConf.masked_copy(config, keys)), overrides)


def num_workers(wanted: int | None, runs: Mapping[str, Any]) -> int:
    """Runs at once: `wanted`, or by default one per core, or a single one on a GPU."""
    from nfvae.experiments.configuration.control_group import num_cores
    from nfvae.experiments.configuration.device import choose_device

    if wanted is not None:
        return wanted
    if any(choose_device(run.config.device).type == "cuda" for run in runs.values()):
        return 1
    return num_cores()


def _failed(overrides: Sequence[str], error: Exception) -> JobReturn:
    return JobReturn(overrides=list(overrides), status=JobStatus.FAILED, _return_value=error)
