"""Which runs a sweep consists of, and which of them are the same model again."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nfvae.data import Dataset
from nfvae.experiments.composition import Composed
from nfvae.experiments.config import Config
from nfvae.experiments.device import choose_device
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.parts import read_data
from nfvae.experiments.run import check_run


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep: what the command line says of it, and what that comes to."""

    overrides: tuple[str, ...]
    config: Config
    path: Path
    steps: int


def count_steps(config: Config) -> int:
    """Steps of a whole run, once the machine and the data are seen to bear it.

    Raises:
        ConfigError, DataError: they do not.
    """
    return check_run(config, _read_data(json.dumps(config.data)), choose_device(config.device))


@cache
def _read_data(section: str) -> Dataset:
    return read_data(json.loads(section))


def refuse_shared_folders(paths: Iterable[Path]) -> None:
    """One folder holds one run.

    Raises:
        ConfigError: two runs of a sweep have the same.
    """
    for path, times in Counter(paths).items():
        if times > 1:
            raise ConfigError(
                f"{times} runs of this sweep would have the same folder, {path}; put what they "
                "differ in into run.dir, as in 'run.dir=outputs/${flow.name}_K${K}_seed${seed}'"
            )


def without_repetitions(jobs: Sequence[Composed]) -> list[Composed]:
    """Without jobs whose model is another's again: flow=none with steps, other flows without any.

    Both are q0 alone; of those that agree in everything else, flow=none with K=0 is kept if it is
    there, else the first with K=0. Where no run is left, the jobs are returned as they are.
    """
    kept: dict[str, Composed] = {}
    for job in jobs:
        if _flow(job) == "none" and job.mapping.get("K") != 0:
            continue
        key = _model(job)
        if key not in kept or _is_plain(job):
            kept[key] = job
    return [job for job in jobs if kept.get(_model(job)) is job] or list(jobs)


def _is_plain(job: Composed) -> bool:
    return bool(_flow(job) == "none" and job.mapping.get("K") == 0)


def _model(job: Composed) -> str:
    stated = {key: value for key, value in job.mapping.items() if key != "run"}
    if _flow(job) == "none" or stated.get("K") == 0:
        stated |= {"flow": "none", "K": 0}
    return repr(sorted((key, repr(value)) for key, value in stated.items()))


def _flow(job: Composed) -> Any:
    flow = job.mapping.get("flow")
    return flow.get("name") if isinstance(flow, Mapping) else flow
