"""Which runs a sweep consists of, and which of them are the same model again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvae.composition import Composed
from nfvae.config import Config


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep: what the command line says of it, and what that comes to."""

    overrides: tuple[str, ...]
    config: Config
    path: Path


def without_repetitions(jobs: Sequence[Composed]) -> list[Composed]:
    """Without jobs whose model is another's again: flow=none with steps, other flows without any.

    Both are q0 alone; of those that agree in everything else, flow=none with K=0 is kept if it is
    there, else the first.
    """
    kept: dict[str, Composed] = {}
    for job in jobs:
        key = _model(job)
        if key not in kept or _is_plain(job):
            kept[key] = job
    return [job for job in jobs if kept[_model(job)] is job]


def _is_plain(job: Composed) -> bool:
    return bool(_flow(job) == "none" and job.mapping["K"] == 0)


def _model(job: Composed) -> str:
    stated = {key: value for key, value in job.mapping.items() if key != "run"}
    if _flow(job) == "none" or stated["K"] == 0:
        stated |= {"flow": "none", "K": 0}
    return json.dumps(stated, sort_keys=True)


def _flow(job: Composed) -> Any:
    flow = job.mapping["flow"]
    return flow.get("name") if isinstance(flow, Mapping) else flow
