"""Read metrics.jsonl of a run: one series per quantity, or the last records."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nfvae.experiments.errors import printable
from nfvae.experiments.storage.json_file import MAX_NUMBER
from nfvae.experiments.storage.regular_file import open_regular

MAX_BYTES = 2**29
MAX_LINE_BYTES = 2**20  # a longer line is read in parts, which are skipped
TAIL_BYTES = 2**16
PARSE_ERRORS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class Series(NamedTuple):
    """Values of one quantity at ascending steps."""

    steps: list[int]
    values: list[float]


def read_history(metrics: Path) -> dict[str, Series]:
    """All quantities by name, "group/name"; empty if nothing was logged.

    Incomplete lines, from a killed process or a full disk, are skipped. If a step was repeated
    after a rewind, its last line counts. Prints a note if the file exists but cannot be read.
    """
    points: dict[str, dict[int, float]] = defaultdict(dict)
    try:
        with open_regular(metrics, MAX_BYTES) as file:
            for step, values in _records(iter(partial(file.readline, MAX_LINE_BYTES), b"")):
                for name, value in values.items():
                    points[name][step] = value
    except FileNotFoundError:
        return {}
    except OSError as error:
        print(f"note: {printable(str(metrics))} cannot be read: {error.strerror}", file=sys.stderr)
        return {}
    return {
        name: Series(sorted(by_step), [by_step[step] for step in sorted(by_step)])
        for name, by_step in points.items()
    }


def latest(metrics: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, quantities by name) of the last records, newest first; empty without a file.

    Raises:
        OSError: the file exists and cannot be read.
    """
    try:
        with open_regular(metrics, MAX_BYTES) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read(TAIL_BYTES).splitlines()
    except FileNotFoundError:
        return
    yield from _records(reversed(lines))


def _records(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, quantities) of the lines that are records; one that is being written is not."""
    for line in lines:
        try:
            record = json.loads(line)
            step = record.pop("step")
            values = {str(name): float(value) for name, value in record.items()}
        except PARSE_ERRORS:
            continue
        if type(step) is int and 0 <= step <= MAX_NUMBER:
            yield step, {name: v for name, v in values.items() if abs(v) <= MAX_NUMBER}
