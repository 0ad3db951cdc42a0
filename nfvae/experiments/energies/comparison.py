"""Many fits to compare: each energy with each flow at each K."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from nfvae.errors import NfvaeError
from nfvae.experiments.configuration.config import NumTransforms
from nfvae.experiments.configuration.sections import Section
from nfvae.experiments.energies.task import EnergyName, FitTask, read_results
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.launching.processes import Job, Outcome, Place, run_jobs

# -P: files in the current folder cannot replace modules of the same name.
WORKER = (sys.executable, "-P", "-m", "nfvae.experiments.energies.worker")


class ComparisonConfig(Section):
    """The rows of the figure (energies), and its columns (each flow at each K)."""

    name: Annotated[str, Field(pattern=r"^\w+$")]
    energies: Annotated[list[EnergyName], Field(min_length=1)]
    flows: Annotated[list[dict[str, Any]], Field(min_length=1)]
    K: Annotated[list[NumTransforms], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_folder_per_fit(self) -> Self:
        families = [flow.get("name") for flow in self.flows]
        lists: list[tuple[str, Sequence[Any]]]
        lists = [("energies", self.energies), ("flows", families), ("K", self.K)]
        for key, values in lists:
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"has {value} twice in {key}; give it once")
        return self

    def tasks(self, like: FitTask) -> list[FitTask]:
        """All fits, row by row, with the seed and settings of `like`."""
        return [
            like.model_copy(update={"energy": energy, "flow": flow, "K": K})
            for energy in self.energies
            for flow in self.flows
            for K in self.K
        ]


def run_tasks(
    tasks: Sequence[FitTask],
    parent: Path,
    num_workers: int,
    stop: StopRequest,
    on_result: Callable[[dict[str, Any]], None],
) -> dict[str, dict[str, Any]]:
    """Run each fit in its own process and folder; returns the results by the names of the tasks.

    A fit that fails does not stop the others. The output of a fit goes to fit.log.

    Args:
        tasks: the fits, with different names.
        parent: folder of the fits' folders.
        num_workers: processes at once, one thread each.
        stop: ends all fits when it is set.
        on_result: called with each result when it is complete.

    Raises:
        Interrupted: `stop` was set; complete fits are kept.
        NfvaeError: a fit failed, or a folder holds another fit; complete fits are kept.
    """
    by_name: dict[str, dict[str, Any]] = {}

    def read(task: FitTask) -> bool:
        """Whether the fit is complete."""
        if results := read_results(task, parent / task.name):
            by_name[task.name] = results
            on_result(results)
        return results is not None

    jobs = {
        Job(
            task.name,
            (*WORKER, task.model_dump_json(), str(parent / task.name)),
            parent / task.name / "fit.log",
        ): task
        # The longest first, so that no single long fit is left at the end.
        for task in sorted(tasks, key=lambda task: -task.K)
        if not read(task)
    }
    outcomes = run_jobs(jobs, [Place()] * num_workers, stop, _OnDone(lambda job: read(jobs[job])))
    stop.check()
    failed = [outcome for outcome in outcomes if outcome.state != "done"]
    if failed:
        reason = failed[0].reason.removeprefix("error: ")
        raise NfvaeError(
            f"{len(failed)} of {len(tasks)} fits failed; {failed[0].job.name}: {reason} "
            f"(see {failed[0].job.log}). Complete fits are kept: give the same command again to "
            "run the others"
        )
    return by_name


@dataclass
class _OnDone:
    """Calls a function for each job that is done."""

    function: Callable[[Job], object]

    def started(self, job: Job) -> None:
        """Does nothing."""

    def ended(self, outcome: Outcome) -> None:
        if outcome.state == "done":
            self.function(outcome.job)

    def poll(self) -> None:
        """Does nothing."""
