"""A live line for each run of a sweep and one for the sweep; without a terminal, plain lines."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nfvae.experiments.errors import printable
from nfvae.experiments.launching.plan import PlannedRun
from nfvae.experiments.launching.processes import Job, Outcome
from nfvae.experiments.launching.watching import read_progress
from nfvae.experiments.storage.run_folder import RunFolder

LINE_EVERY = 60.0  # seconds, without a terminal
LOOK_EVERY = 1.0
RUN_BAR = "{desc:<34} {percentage:3.0f}% {bar:18} {n_fmt}/{total_fmt} [{remaining} left]{postfix}"
ALL_BAR = "{desc} {percentage:3.0f}% {bar:18} [{elapsed}, {remaining} left]"


class Display:
    """Shows progress, which it reads from the runs' metrics.jsonl.

    Args:
        runs: the runs, by the names of their jobs.
        complete: number of runs that were complete before.
    """

    def __init__(self, runs: Mapping[str, PlannedRun], complete: int) -> None:
        self._runs = runs
        self._counts = {"done": complete, "failed": 0, "interrupted": 0, "in use": 0}
        self._total = len(runs) + complete
        self._steps = {name: read_progress(run.path).step for name, run in runs.items()}
        self._bars: dict[str, tqdm[Any]] = {}
        self._rows: dict[str, int] = {}
        self._live = sys.stderr.isatty()
        self._next_look = self._next_line = 0.0
        self._all = tqdm(
            total=sum(run.steps for run in runs.values()),
            initial=sum(self._steps.values()),
            disable=not self._live,
            bar_format=ALL_BAR,
            dynamic_ncols=True,
            smoothing=0.02,
        )
        self._show_counts()

    def started(self, job: Job) -> None:
        """Show a line for a run."""
        if not self._live:
            self._say(f"started      {job.name}")
            return
        self._rows[job.name] = min({*range(1, len(self._rows) + 2)} - {*self._rows.values()})
        self._bars[job.name] = tqdm(
            desc=printable(job.name),
            total=self._runs[job.name].steps,
            initial=self._steps[job.name],
            position=self._rows[job.name],
            bar_format=RUN_BAR,
            dynamic_ncols=True,
            leave=False,
        )

    def ended(self, outcome: Outcome) -> None:
        """Replace a run's line by a permanent one."""
        self._counts[outcome.state] += 1
        if outcome.job.name in self._bars:
            self._bars.pop(outcome.job.name).close()
            del self._rows[outcome.job.name]
        run = self._runs[outcome.job.name]
        if outcome.state == "done":
            self._say(f"done         {outcome.job.name}  {_figures(run.path)}")
        else:
            self._say(f"{outcome.state:<12} {outcome.job.name}: {outcome.reason}")
        if outcome.state in ("done", "failed"):
            self._advance(outcome.job.name, run.steps)
        self._show_counts()

    def poll(self) -> None:
        """Update from the runs' files, once per second."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY
        line_due = not self._live and now >= self._next_line
        if line_due:
            self._next_line = now + LINE_EVERY
        for name, run in self._runs.items():
            if self._live and name not in self._bars:
                continue
            step, neg_elbo, *_ = read_progress(run.path)
            moved = step != self._steps[name]
            self._advance(name, step)
            if name in self._bars:
                bar = self._bars[name]
                bar.update(step - bar.n)
                if neg_elbo is not None:
                    bar.set_postfix_str(f"−ELBO {neg_elbo:.2f}", refresh=False)
                bar.refresh()
            elif line_due and moved and neg_elbo is not None:
                self._say(f"step {step:>7} of {run.steps}  {name}  −ELBO {neg_elbo:.2f}")
        self._all.refresh()

    def close(self) -> None:
        """Close all lines."""
        for bar in self._bars.values():
            bar.close()
        self._all.close()

    def _advance(self, name: str, step: int) -> None:
        self._all.update(step - self._steps[name])
        self._steps[name] = step

    def _show_counts(self) -> None:
        counts = ", ".join(f"{count} {state}" for state, count in self._counts.items() if count)
        self._all.set_description_str(f"{self._total} runs" + (f": {counts}" if counts else ""))

    def _say(self, text: str) -> None:
        tqdm.write(printable(text), file=sys.stderr)


def _figures(path: Path) -> str:
    results = RunFolder(path).read_results()
    nll = "" if results["nll"] is None else f"  NLL {results['nll']:.2f}"
    return f"−ELBO {results['neg_elbo']:.2f}{nll}"
