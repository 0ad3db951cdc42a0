"""Plan a sweep: its runs, and which of them are duplicates."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from nfvae.data import Dataset
from nfvae.errors import NfvaeError
from nfvae.experiments.configuration.config import Config, parse_config
from nfvae.experiments.configuration.device import choose_device
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.launching.composing import Composed
from nfvae.experiments.running.run import check_run
from nfvae.experiments.storage.lock import is_locked
from nfvae.experiments.storage.naming import run_path
from nfvae.experiments.storage.run_folder import RunFolder

State = Literal["to do", "complete", "in use"]


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep: its overrides, its configuration, its folder."""

    overrides: tuple[str, ...]
    config: Config
    path: Path
    state: State
    """"in use": another process works on it."""
    steps: int = 0
    """Steps of the whole run, if it is to do."""


@dataclass
class Plan:
    """The runs of a sweep."""

    runs: list[PlannedRun] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """The errors of runs that cannot be trained, by the overrides in which a run differs."""
    places: set[str] = field(default_factory=set)
    """Folders that together hold all runs of the sweep, and no other runs if possible."""

    def those(self, state: State) -> list[PlannedRun]:
        """The runs in this state."""
        return [run for run in self.runs if run.state == state]

    @property
    def total(self) -> int:
        """The number of runs."""
        return len(self.runs) + len(self.refused)


def make_plan(jobs: Sequence[Composed]) -> Plan:
    """Check every job's configuration and look at its folder.

    Raises:
        ConfigError: two jobs have the same folder.
    """
    plan, paths = Plan(), list[Path]()
    common = set.intersection(*(set(job.overrides) for job in jobs))
    for job in jobs:
        try:
            config = parse_config(job.mapping)
            path = run_path(config, job.overrides)
            paths.append(path)
            # Without run.dir, runs are in outputs/ together with all other runs.
            plan.places.add(str(path if config.run.dir is None else path.parent))
            state: State = "in use" if is_locked(path) else "to do"
            if _is_complete(path, config):
                state = "complete"
            steps = check_and_count_steps(config) if state == "to do" else 0
            plan.runs.append(PlannedRun(job.overrides, config, path, state, steps))
        except NfvaeError as error:
            varied = " ".join(each for each in job.overrides if each not in common)
            plan.refused[varied] = str(error)
    _refuse_shared_folders(paths)
    return plan


def plan_run(mapping: Mapping[str, Any], overrides: Sequence[str]) -> PlannedRun:
    """Plan one run, without looking at its folder.

    Raises:
        NfvaeError: it cannot be trained.
    """
    config = parse_config(mapping)
    path = run_path(config, overrides)
    return PlannedRun(tuple(overrides), config, path, "to do", check_and_count_steps(config))


def check_and_count_steps(config: Config) -> int:
    """Steps of a whole run, after a check that it fits the machine and the data.

    Raises:
        ConfigError, DataError: it does not fit.
    """
    return check_run(config, _read_data(json.dumps(config.data)), choose_device(config.device))


@cache
def _read_data(section: str) -> Dataset:
    return read_data(json.loads(section))


def _is_complete(path: Path, config: Config) -> bool:
    """Whether the run is complete; raises RunFolderError if the folder holds another run."""
    folder = RunFolder(path)
    complete = folder.complete
    if complete or folder.config_file.exists():
        folder.check_same(config)
    if complete:
        folder.read_results()
    return complete


def _refuse_shared_folders(paths: Iterable[Path]) -> None:
    for path, times in Counter(paths).items():
        if times > 1:
            raise ConfigError(
                f"{times} runs of this sweep would have the same folder, {path}; use the values in "
                "which they differ in run.dir, as in "
                "'run.dir=outputs/${flow.name}_K${K}_seed${seed}'"
            )


def without_repetitions(jobs: Sequence[Composed]) -> list[Composed]:
    """Remove jobs that are the same model as another: flow=none with K > 0, other flows with K = 0.

    With K = 0 every flow is q0 alone. Of the jobs that agree in everything else, flow=none with
    K=0 is kept if it is among them, else the first with K=0. Of jobs that agree in everything, one
    is kept. If no job would be left, all jobs are returned.
    """
    kept: dict[str, Composed] = {}
    for job in jobs:
        if _flow(job) == "none" and job.mapping.get("K") != 0:
            continue
        key = _model(job)
        if key not in kept or (_is_plain(job) and not _is_plain(kept[key])):
            kept[key] = job
    identities = {id(job) for job in kept.values()}
    return [job for job in jobs if id(job) in identities] or list(jobs)


def without_duplicates(jobs: Sequence[Composed]) -> list[Composed]:
    """Remove jobs that are equal to an earlier one, as in seed=0,0."""
    first: dict[str, Composed] = {}
    for job in jobs:
        first.setdefault(_stated(job.mapping), job)
    return list(first.values())


def _is_plain(job: Composed) -> bool:
    return bool(_flow(job) == "none" and job.mapping.get("K") == 0)


def _model(job: Composed) -> str:
    stated = {key: value for key, value in job.mapping.items() if key != "run"}
    if _flow(job) == "none" or stated.get("K") == 0:
        stated |= {"flow": "none", "K": 0}
    return _stated(stated)


def _stated(mapping: Mapping[str, Any]) -> str:
    return repr(sorted((key, repr(value)) for key, value in mapping.items()))


def _flow(job: Composed) -> Any:
    flow = job.mapping.get("flow")
    return flow.get("name") if isinstance(flow, Mapping) else flow
