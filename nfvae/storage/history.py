"""metrics.jsonl of a run, read as one series a quantity."""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple


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
            record = json.loads(line)
            step = int(record.pop("step"))
            values = {str(name): float(value) for name, value in record.items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        for name, value in values.items():
            points[name][step] = value
    return {
        name: Series(sorted(course), [course[step] for step in sorted(course)])
        for name, course in points.items()
    }
