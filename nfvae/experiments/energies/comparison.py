"""Many fits side by side: energies by flows and numbers of steps."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import Field, model_validator

from nfvae.experiments.config import NumTransforms
from nfvae.experiments.energies.task import EnergyName, FitTask, run_task
from nfvae.experiments.interruption import StopRequest, stop_on_signals
from nfvae.experiments.sections import Section


class ComparisonConfig(Section):
    """Rows, and columns: each flow at each K."""

    name: Annotated[str, Field(pattern=r"^\w+$")]
    energies: Annotated[list[EnergyName], Field(min_length=1)]
    flows: Annotated[list[dict[str, Any]], Field(min_length=1)]
    K: Annotated[list[NumTransforms], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_folder_a_fit(self) -> Self:
        families = [flow.get("name") for flow in self.flows]
        lists: dict[str, Sequence[Any]] = {
            "energies": self.energies,
            "flows": families,
            "K": self.K,
        }
        for key, values in lists.items():
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"has {value} twice in {key}; compare them by two commands")
        return self

    def tasks(self, like: FitTask) -> list[FitTask]:
        """All fits, row by row; seed and settings of the fit are those of `like`."""
        return [
            like.model_copy(update={"energy": energy, "flow": flow, "K": K})
            for energy in self.energies
            for flow in self.flows
            for K in self.K
        ]


def run_tasks(
    tasks: Sequence[FitTask], parent: Path, num_workers: int, stop: StopRequest
) -> Iterator[dict[str, Any]]:
    """Results as they become ready, each fit in a folder of its own, one thread a worker.

    Raises:
        Interrupted: `stop` was set, or a worker was told to stop; complete fits are kept.
        NfvaeError: as `run_task`.
    """
    # The longest first, so that no worker is left alone with one at the end.
    waiting = sorted(tasks, key=lambda task: task.K)
    running: set[Future[dict[str, Any]]] = set()
    # Spawned, not forked: a fork of a process whose torch has started threads can hang.
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
        while waiting or running:
            # Never more than the workers hold: what is queued in the pool cannot be taken back.
            while waiting and len(running) < num_workers:
                task = waiting.pop()
                running.add(pool.submit(_work, task, parent / task.name))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            stop.check()


def _work(task: FitTask, folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    with stop_on_signals() as stop:
        return run_task(task, folder, stop)
