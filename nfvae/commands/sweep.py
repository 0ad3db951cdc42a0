"""train.py -m: many runs, a process each, as many at once as there are cores."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from nfvae.cli import command_line, fail
from nfvae.commands.train import run_path
from nfvae.composition import Composed
from nfvae.config import parse_config
from nfvae.errors import NfvaeError
from nfvae.storage.run_folder import RunFolder
from nfvae.sweep.display import Display
from nfvae.sweep.plan import PlannedRun, without_repetitions
from nfvae.sweep.processes import Job, Outcome, run_jobs
from nfvae.training.device import choose_device
from nfvae.training.interruption import EXIT_STATUS, stop_on_signals

TRAIN = Path(__file__).parent.parent.parent / "scripts" / "train.py"


def sweep(jobs: Sequence[Composed]) -> int:
    """Do the runs that are not complete; returns the exit status."""
    kept = without_repetitions(jobs)
    if len(kept) < len(jobs):
        print(f"{len(jobs) - len(kept)} combinations left out: K=0 is one model, flow=none")
    runs, refused = [], dict[str, str]()
    common = set.intersection(*(set(job.overrides) for job in kept))
    for job in kept:
        try:
            config = parse_config(job.mapping)
            runs.append(PlannedRun(job.overrides, config, run_path(config, job.overrides)))
        except NfvaeError as error:
            refused[" ".join(each for each in job.overrides if each not in common)] = str(error)
    if not runs and len(set(refused.values())) == 1:
        return fail(refused.popitem()[1])
    status = max([fail(f"{varied}: {error}") for varied, error in refused.items()], default=0)
    return max(status, _run(runs)) if runs else status


def _run(runs: Sequence[PlannedRun]) -> int:
    outcomes, waiting = [], dict[str, PlannedRun]()
    for run in runs:
        try:
            if not _is_complete(run):
                waiting[str(run.path)] = run
        except NfvaeError as error:
            outcomes.append(Outcome(_job(run), "failed", f"error: {error}"))
    complete = len(runs) - len(waiting) - len(outcomes)
    workers = _workers(runs)
    print(
        f"{len(runs)} runs: {complete} complete already, {len(waiting)} to do, "
        f"{min(workers, len(waiting))} at once",
        flush=True,
    )
    jobs = [_job(run) for run in waiting.values()]
    with stop_on_signals() as stop, closing(Display(waiting, complete)) as display:
        outcomes += run_jobs(jobs, workers, stop, display)

    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed:
        print(f"failed  {outcome.job.name}: {outcome.reason}\n        {outcome.job.log}")
    if stop.signal is not None:
        print(f"stopped by {stop.signal.name}; saved. To go on: {command_line()}", file=sys.stderr)
        return EXIT_STATUS
    if failed:
        told = f"{len(failed)} of {len(runs)} runs failed; to try them again"
        print(f"{told}: {command_line()}", file=sys.stderr)
        return 1
    places = sorted({str(run.path.parent) for run in runs})
    print(f"all {len(runs)} runs are complete; next: python scripts/table.py {' '.join(places)}")
    return 0


def _is_complete(run: PlannedRun) -> bool:
    """Raises RunFolderError if the folder's results are another run's, or damaged."""
    folder = RunFolder(run.path)
    if not folder.complete:
        return False
    folder.check_same(run.config)
    folder.read_results()
    return True


def _job(run: PlannedRun) -> Job:
    command = (sys.executable, str(TRAIN), *run.overrides, "hydra.mode=RUN")
    return Job(str(run.path), command, run.path / "train.log")


def _workers(runs: Sequence[PlannedRun]) -> int:
    """Runs at once: one a core, or one in all on a GPU, unless the configuration says."""
    config = runs[0].config
    if config.run.num_workers is not None:
        return config.run.num_workers
    if choose_device(config.device).type == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
