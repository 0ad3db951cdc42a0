"""A Hydra sweeper: a grid of jobs, each model once, for any launcher, which reports failures."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from nfvae.experiments.errors import ConfigError, fail, one_line
from nfvae.experiments.interruption import Interrupted, received_signal, record_signal
from nfvae.experiments.launching.array import ArrayLauncher
from nfvae.experiments.launching.composing import Composed, ComposedJobs, Composer
from nfvae.experiments.launching.launcher import ProcessLauncher
from nfvae.experiments.launching.tally import Tally
from nfvae.experiments.terminal.call import command
from nfvae.experiments.terminal.failures import reason
from nfvae.experiments.terminal.plugins import import_plugins

if TYPE_CHECKING:
    from nfvae.experiments.launching.plan import Plan


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

    def _launcher(self, jobs: Sequence[Composed]) -> Launcher:
        """The configured launcher, which gets the configurations that this process composed."""
        assert self.hydra_context is not None
        assert self.config is not None
        loader = ComposedJobs(self.hydra_context.config_loader, jobs)
        return Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(loader, self.hydra_context.callbacks),
            task_function=self.task_function,
            config=self.config,
        )

    def _launch(self, launcher: Launcher, jobs: Sequence[Composed], names: Sequence[str]) -> Tally:
        """Launch jobs, and count how they ended."""
        tally = Tally()
        if not jobs:
            return tally
        overrides = [list(job.overrides) for job in jobs]
        own = isinstance(launcher, ProcessLauncher)
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
        tally = self._launch(self._launcher(jobs), jobs, names)
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
        todo, in_use = plan.those("to do"), plan.those("in use")
        complete = len(plan.those("complete"))
        print(
            f"{plan.total} runs: {complete} already complete, {len(todo)} to do, "
            f"{len(in_use)} in use by another process",
            flush=True,
        )
        by_overrides = {job.overrides: job for job in kept}
        jobs_to_do = [by_overrides[run.overrides] for run in todo]
        launcher = self._launcher(jobs_to_do)
        if isinstance(launcher, ArrayLauncher) and todo:
            return self._write(launcher, plan)
        if isinstance(launcher, ProcessLauncher):
            launcher.complete, launcher.planned = complete, {run.overrides: run for run in todo}
        tally = self._launch(launcher, jobs_to_do, [str(run.path) for run in todo])
        tally.in_use += [str(run.path) for run in in_use]
        status = tally.summary(plan.total, "runs", len(plan.refused))
        if status == 0:
            print(f"next: {command('table', *sorted(plan.places))}")
        return status

    def _write(self, launcher: ArrayLauncher, plan: "Plan") -> int:
        submit = launcher.write(plan.runs)
        print(f"written to {launcher.folder}")
        for line in submit:
            print(f"next: {line}")
        print(f"watch them: {command('status', launcher.folder)}")
        return 1 if plan.refused else 0


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
