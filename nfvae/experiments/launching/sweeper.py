"""A Hydra sweeper: a grid of jobs, each model once, for any launcher, which reports failures."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from nfvae.experiments.errors import ConfigError, fail, one_line
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, received_signal, record_signal
from nfvae.experiments.launching.composing import Composed, ComposedJobs, Composer
from nfvae.experiments.launching.launcher import ProcessLauncher
from nfvae.experiments.terminal.call import command, command_line
from nfvae.experiments.terminal.failures import reason
from nfvae.experiments.terminal.plugins import import_plugins


class GridSweeper(BasicSweeper):
    """Runs all combinations of the values that the command line and `params` sweep.

    The command's exit status is 0 if every job is complete, 1 if a job failed, and 75 if the sweep
    was interrupted or another process uses a run.

    Args:
        params: values to sweep, by key, written as on the command line, which overrides them.
    """

    __module__ = "hydra_plugins.nfvae"  # Hydra accepts plugins of this package only

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch the jobs; ends the command if not all of them are complete."""
        assert self.hydra_context is not None
        assert self.config is not None
        composer = Composer(self.hydra_context.config_loader, self.config)
        grid = self._grid(arguments)
        jobs = [composer.job(overrides, number) for number, overrides in enumerate(grid)]
        import_plugins()  # the runs are planned here, and a run may use a plugin's parts
        is_training = self.task_function.__name__ == "train"
        outcome = self._train(jobs) if is_training else self._run(jobs)
        if outcome:
            sys.exit(outcome)
        return []

    def _grid(self, arguments: list[str]) -> list[list[str]]:
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        grid = self.split_arguments(overrides, None)[0]
        if not grid:
            empty = [
                str(each.input_line)
                for each in overrides
                if each.is_sweep_override() and not [*each.sweep_string_iterator()]
            ]
            raise ConfigError(f"{one_line(' '.join(empty))} has no values, so there is no run")
        return grid

    def _launch(self, jobs: Sequence[Composed], names: Sequence[str], complete: int) -> "_Tally":
        """Launch jobs with the configured launcher, and count how they ended."""
        assert self.hydra_context is not None
        assert self.config is not None
        tally = _Tally()
        if not jobs:
            return tally
        loader = ComposedJobs(self.hydra_context.config_loader, jobs)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(loader, self.hydra_context.callbacks),
            task_function=self.task_function,
            config=self.config,
        )
        overrides = [list(job.overrides) for job in jobs]
        own = isinstance(launcher, ProcessLauncher)
        if isinstance(launcher, ProcessLauncher):
            launcher.complete = complete
        try:
            with nullcontext() if own else _signals_passed_on():
                returned = launcher.launch(overrides, initial_job_idx=0)
        except Interrupted:
            tally.interrupted = "submitted jobs continue on their own"
            return tally
        except Exception as error:  # an error of the launcher itself, such as a killed worker
            if received_signal() is None:
                tally.failed.append(("the launcher", reason(error)))
            else:
                tally.interrupted = "saved"
            return tally
        tally.add(names, returned)
        return tally

    def _run(self, jobs: Sequence[Composed]) -> int:
        common = set.intersection(*(set(job.overrides) for job in jobs))
        names = [" ".join(each for each in job.overrides if each not in common) for job in jobs]
        tally = self._launch(jobs, names, 0)
        return tally.summary(len(jobs), "jobs", refused=0)

    def _train(self, jobs: list[Composed]) -> int:
        from nfvae.experiments.launching.plan import (
            make_plan,
            without_duplicates,
            without_repetitions,
        )

        distinct = without_duplicates(jobs)
        kept = without_repetitions(distinct)
        if len(distinct) < len(jobs):
            print(f"{len(jobs) - len(distinct)} combinations skipped: given more than once")
        if len(kept) < len(distinct):
            print(f"{len(distinct) - len(kept)} combinations skipped: K=0 is the same as flow=none")
            if all(job.mapping.get("K") for job in kept):
                print("flow=none is not among the runs: it has no transforms; add K=0 to the sweep")
        plan = make_plan(kept)
        if len(plan.refused) == plan.total and len(set(plan.refused.values())) == 1:
            return fail(plan.refused.popitem()[1])
        for varied, error in plan.refused.items():
            fail(f"{varied}: {error}")
        assert self.config is not None
        print(
            f"{plan.total} runs: {plan.complete} already complete, {len(plan.todo)} to do, "
            f"{len(plan.in_use)} in use by another process",
            flush=True,
        )
        todo = {run.overrides: str(run.path) for run in plan.todo}
        composed = [job for job in kept if job.overrides in todo]
        tally = self._launch(composed, [todo[job.overrides] for job in composed], plan.complete)
        tally.in_use += [str(path) for path in plan.in_use]
        status = tally.summary(plan.total, "runs", len(plan.refused))
        if status == 0:
            print(f"next: {command('table', *sorted(plan.places))}")
        return status


class _Tally:
    """How the jobs of a sweep ended."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.in_use: list[str] = []
        self.interrupted = ""
        """What happened to the running jobs when a signal came; empty without a signal."""

    def add(self, names: Sequence[str], returned: Sequence[JobReturn]) -> None:
        """Count the results of jobs."""
        from nfvae.experiments.launching.processes import job_outcome

        for name, job in zip(names, returned, strict=True):
            state, why = job_outcome(job)
            if state == "failed":
                self.failed.append((name, why))
            elif state == "in use":
                self.in_use.append(name)
            elif state == "interrupted":
                self.interrupted = "saved"

    def summary(self, total: int, what: str, refused: int) -> int:
        """Print a line for each incomplete job and one for all; returns the exit status."""
        for name, why in self.failed:
            print(f"failed  {name}: {why}")
        for name in self.in_use:
            print(f"in use  {name}: another process uses it")
        if self.interrupted:
            by = received_signal()
            stopped = f"stopped by {by.name}" if by else "stopped"
            print(f"{stopped}; {self.interrupted}. To resume: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
        again = f"To try them again: {command_line()}"
        if failed := len(self.failed) + refused:
            print(f"{failed} of {total} {what} failed. {again}", file=sys.stderr)
            return 1
        if self.in_use:
            in_use = len(self.in_use)
            print(
                f"{in_use} of {total} {what} are in use by another process. {again}",
                file=sys.stderr,
            )
            return EXIT_STATUS
        print(f"all {total} {what} are complete")
        return 0


def _child_processes() -> set[int]:
    """Process ids of joblib's workers and, on Linux, of submitit's local jobs."""
    found = {process.pid for process in multiprocessing.active_children() if process.pid}
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found.update(map(int, file.read_text().split()))
    return found


@contextmanager
def _signals_passed_on() -> Iterator[None]:
    """Pass Ctrl-C and SIGTERM on to the processes of another launcher, so that they save.

    Without such processes, as on a cluster, or at the second signal, the sweep ends at once.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        first = received_signal() is None
        record_signal(signal.Signals(number))
        children = _child_processes()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        if not children or not first:
            raise Interrupted("no longer waited for")

    handled = (signal.SIGINT, signal.SIGTERM)
    before: dict[signal.Signals, Any] = {each: signal.signal(each, handle) for each in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
