"""train.py -m: many runs, a process each, as many at once as there are cores."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from nfvae.errors import NfvaeError
from nfvae.experiments.cli import SCRIPTS, command_line
from nfvae.experiments.commands.train import run_path
from nfvae.experiments.composition import Composed
from nfvae.experiments.config import Config, parse_config
from nfvae.experiments.device import choose_device
from nfvae.experiments.errors import fail
from nfvae.experiments.interruption import EXIT_STATUS, stop_on_signals
from nfvae.experiments.launching.display import Display
from nfvae.experiments.launching.plan import (
    PlannedRun,
    count_steps,
    refuse_shared_folders,
    without_repetitions,
)
from nfvae.experiments.launching.processes import Job, run_jobs
from nfvae.experiments.storage.run_folder import RunFolder


def sweep(jobs: Sequence[Composed]) -> int:
    """Do the runs that are not complete; returns the exit status."""
    kept = without_repetitions(jobs)
    if len(kept) < len(jobs):
        print(f"{len(jobs) - len(kept)} combinations left out: K=0 is one model, flow=none")
        if all(job.mapping.get("K") for job in kept):
            print("flow=none is not among the runs, for it has no steps; to have it, sweep K=0 too")
    complete, runs, refused = 0, dict[str, PlannedRun](), dict[str, str]()
    paths, places = list[Path](), set[str]()
    common = set.intersection(*(set(job.overrides) for job in kept))
    for job in kept:
        try:
            config = parse_config(job.mapping)
            path = run_path(config, job.overrides)
            paths.append(path)
            # Without a run.dir they lie in outputs, among all that was ever run.
            places.add(str(path if config.run.dir is None else path.parent))
            if _is_complete(path, config):
                complete += 1
            else:
                run = PlannedRun(job.overrides, config, path, count_steps(config))
                runs[str(path)] = run
        except NfvaeError as error:
            refused[" ".join(each for each in job.overrides if each not in common)] = str(error)
    refuse_shared_folders(paths)
    if not runs and not complete and len(set(refused.values())) == 1:
        return fail(refused.popitem()[1])
    status = max([fail(f"{varied}: {error}") for varied, error in refused.items()], default=0)
    status = max(status, _run(runs, complete, refused=len(refused)))
    if status == 0:
        print(f"next: python scripts/table.py {' '.join(map(shlex.quote, sorted(places)))}")
    return status


def _run(runs: Mapping[str, PlannedRun], complete: int, refused: int) -> int:
    total = len(runs) + complete + refused
    workers = _workers([run.config for run in runs.values()])
    print(
        f"{total} runs: {complete} complete already, {len(runs)} to do, "
        f"{min(workers, len(runs))} at once",
        flush=True,
    )
    jobs = [_job(run) for run in runs.values()]
    with stop_on_signals() as stop, closing(Display(runs, complete)) as display:
        outcomes = run_jobs(jobs, workers, stop, display)

    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed:
        print(f"failed  {outcome.job.name}: {outcome.reason}\n        {outcome.job.log}")
    if stop.signal is not None:
        print(f"stopped by {stop.signal.name}; saved. To go on: {command_line()}", file=sys.stderr)
        return EXIT_STATUS
    if failed or refused:
        told = f"{len(failed) + refused} of {total} runs failed; to try them again"
        print(f"{told}: {command_line()}", file=sys.stderr)
        return 1
    print(f"all {total} runs are complete")
    return 0


def _is_complete(path: Path, config: Config) -> bool:
    """Raises RunFolderError if the folder is another run's, or its results are damaged."""
    folder = RunFolder(path)
    complete = folder.complete
    if complete or folder.config_file.exists():
        folder.check_same(config)
    if complete:
        folder.read_results()
    return complete


def _job(run: PlannedRun) -> Job:
    command = (sys.executable, str(SCRIPTS / "train.py"), *run.overrides, "hydra.mode=RUN")
    return Job(str(run.path), command, run.path / "train.log")


def _workers(configs: Sequence[Config]) -> int:
    """Runs at once: one a core, or one in all on a GPU, unless the configuration says."""
    if any(choose_device(config.device).type == "cuda" for config in configs):
        return 1
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
