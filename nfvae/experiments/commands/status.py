"""status.py: the state of runs, one line each, read from their folders."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from nfvae.experiments.commands.arguments import OneLineParser, runs_folder
from nfvae.experiments.errors import ResultsError, printable
from nfvae.experiments.launching.watching import Watched, watch


def status(arguments: Sequence[str]) -> int:
    """Print the states; returns the exit status.

    Raises:
        NfvaeError: a folder cannot be read, or holds no run.
    """
    parser = OneLineParser(description=__doc__.partition(": ")[2])
    parser.add_argument(
        "folder", nargs="+", type=runs_folder, help="runs, folders with runs below, or of an array"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of all fields")
    options = parser.parse_args(arguments)
    runs = list(watch(options.folder))
    if not runs:
        raise ResultsError("no run below the given folders; a run begins with its config.yaml")
    if options.json:
        print(json.dumps([asdict(run) for run in runs], indent=1))
        return 0
    for run in runs:
        print(printable(_line(run)))
    counts = Counter(run.state for run in runs)
    print(f"{len(runs)} runs: {', '.join(f'{n} {state}' for state, n in counts.items())}")
    return 0


def _line(run: Watched) -> str:
    parts = [f"{run.state:<9}"]
    if run.step or run.state == "running":
        parts.append(f"step {run.step}" + (f" of {run.steps}" if run.steps else ""))
    if run.neg_elbo is not None:
        parts.append(f"−ELBO {run.neg_elbo:.2f}")
    if run.seconds_left is not None:
        parts.append(f"{timedelta(seconds=round(run.seconds_left))} left")
    if run.host:
        parts.append(f"on {run.host}")
    parts.append(run.path)
    return "  ".join(parts) + (f": {run.message}" if run.message else "")
