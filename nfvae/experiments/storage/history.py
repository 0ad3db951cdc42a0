"""metrics.jsonl of a run, read as one series a quantity, or from its end."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nfvae.experiments.storage.json_file import MOST

TAIL_BYTES = 65536
NO_RECORD = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class Series(NamedTuple):
    """Values of one quantity at ascending steps."""

    steps: list[int]
    values: list[float]


def read_history(metrics: Path) -> dict[str, Series]:
    """Every quantity by its name, "group/name"; empty where nothing was logged.

    A line that is torn or no record, as a kill or a full disk leaves it, is passed over. Where a
    step was repeated, after a rewind, the last line counts.
    """
    try:
        lines = metrics.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    points: dict[str, dict[int, float]] = defaultdict(dict)
    for line in lines:
        try:
            step, record = _parse(line)
            values = {str(name): float(value) for name, value in record.items()}
        except NO_RECORD:
            continue
        for name, value in values.items():
            if abs(value) <= MOST:
                points[name][step] = value
    return {
        name: Series(sorted(course), [course[step] for step in sorted(course)])
        for name, course in points.items()
    }


def latest(metrics: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(step, quantities by name) of the last records, the newest first; none where none is.

    A line that is being written, or was when the run was killed, is passed over.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        try:
            yield _parse(line)
        except NO_RECORD:
            continue


def _parse(line: str | bytes) -> tuple[int, dict[str, Any]]:
    """Raises one of several errors where the line is no record."""
    record = json.loads(line)
    step = record.pop("step")
    if type(step) is not int or not 0 <= step <= MOST:
        raise ValueError(f"step={step!r:.20}")
    return step, record
