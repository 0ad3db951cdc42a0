"""Which runs a sweep consists of, and which of them are the same model again."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep: its overrides, its configuration, its folder."""

    overrides: tuple[str, ...]
    config: Config
    path: Path
    steps: int


@dataclass
class Plan:
    """The runs of a sweep by what is to be done with them."""

    todo: list[PlannedRun] = field(default_factory=list)
    complete: int = 0
    in_use: list[Path] = field(default_factory=list)
    """Another process works on them."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why, by the overrides that tell a run from the others."""
    places: set[str] = field(default_factory=set)
    """Folders that hold all of these runs, and no other run if possible."""

    @property
    def total(self) -> int:
        """The number of runs."""
        return len(self.todo) + self.complete + len(self.in_use) + len(self.refused)


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
            # Without a run.dir they are in outputs, among all other runs.
            plan.places.add(str(path if config.run.dir is None else path.parent))
            if _is_complete(path, config):
                plan.complete += 1
            elif is_locked(path):
                plan.in_use.append(path)
            else:
                steps = check_and_count_steps(config)
                plan.todo.append(PlannedRun(job.overrides, config, path, steps))
        except NfvaeError as error:
            varied = " ".join(each for each in job.overrides if each not in common)
            plan.refused[varied] = str(error)
    _refuse_shared_folders(paths)
    return plan


def plan_run(mapping: Mapping[str, Any], overrides: Sequence[str]) -> PlannedRun:
    """One run, whatever is in its folder.

    Raises:
        NfvaeError: it cannot be trained.
    """
    config = parse_config(mapping)
    path = run_path(config, overrides)
    return PlannedRun(tuple(overrides), config, path, check_and_count_steps(config))


def check_and_count_steps(config: Config) -> int:
    """Steps of a whole run, after the machine and the data are seen to allow it.

    Raises:
        ConfigError, DataError: they do not.
    """
    return check_run(config, _read_data(json.dumps(config.data)), choose_device(config.device))


@cache
def _read_data(section: str) -> Dataset:
    return read_data(json.loads(section))


def _is_complete(path: Path, config: Config) -> bool:
    """Raises RunFolderError if the folder is another run's, or its results are damaged."""
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
                f"{times} runs of this sweep would have the same folder, {path}; put what they "
                "differ in into run.dir, as in 'run.dir=outputs/${flow.name}_K${K}_seed${seed}'"
            )


def without_repetitions(jobs: Sequence[Composed]) -> list[Composed]:
    """Without jobs whose model is another's again: flow=none with steps, other flows without any.

    Both are q0 alone; of those that agree in everything else, flow=none with K=0 is kept if it is
    there, else the first with K=0. Where no run is left, the jobs are returned as they are. Of jobs
    that agree in everything one is kept.
    """
    kept: dict[str, Composed] = {}
    for job in jobs:
        if _flow(job) == "none" and job.mapping.get("K") != 0:
            continue
        key = _model(job)
        if key not in kept or (_is_plain(job) and not _is_plain(kept[key])):
            kept[key] = job
    return [job for job in jobs if kept.get(_model(job)) is job] or list(jobs)


def without_duplicates(jobs: Sequence[Composed]) -> list[Composed]:
    """Without jobs that agree with an earlier one in everything, as of seed=0,0."""
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
