"""A sweep as files: one command per run, and an sbatch script that runs them as a Slurm array."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import EXIT_STATUS
from nfvae.experiments.launching.watching import FOLDERS, LOG
from nfvae.experiments.storage.atomic import make_output_folder, write_atomically
from nfvae.experiments.terminal.call import command_line, program
from nfvae.experiments.terminal.overrides import hydra_override
from nfvae.experiments.terminal.plugins import KEY, plugin_names
from nfvae.paths import expand

if TYPE_CHECKING:
    from nfvae.experiments.launching.plan import PlannedRun

COMMANDS, SCRIPT = "commands.txt", "array.sh"
LARGEST_ARRAY = 1000  # Slurm's default MaxArraySize is 1001

TEXT = """\
#!/bin/bash
# Written by: {made_by}
# Submit it with the options of your site: sbatch --partition=… --time=04:00:00 {script}
# A number N after its name adds N to the array's indices.
#SBATCH --job-name=nfvae
#SBATCH --array={indices}
#SBATCH --output="{folder_pattern}/slurm-%A_%a.out"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --ntasks={runs_per_task}
#SBATCH --cpus-per-task=1

export folder={folder} first=$(( (SLURM_ARRAY_TASK_ID + ${{1:-0}}) * {runs_per_task} + 1 ))
for i in {{1..60}}; do # a shared file system can show new files late
  cd {cwd} 2>/dev/null && [ -s "$folder/{folders}" ] && [ -s "$folder/{commands}" ] && break
  sleep 1
done || {{ echo "error: this node does not see $folder or {cwd_shown}" >&2; exit 1; }}

trap : TERM USR1 # this shell waits for the runs, which save
srun --ntasks={runs_per_task} --cpus-per-task="${{SLURM_CPUS_PER_TASK:-1}}" --cpu-bind=cores \\
  --mpi=none --kill-on-bad-exit=0 --wait=0 bash -c '
  trap "" USR1 # ignored until the run handles it
  export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
  line=$((first + SLURM_PROCID))
  run=$(sed -n "${{line}}p" "$folder/{folders}")
  if [ -z "$run" ] || [ -e "$run/results.json" ]; then exit 0; fi
  mkdir -p "$run"
  log="$run/{log}"
  if [ -L "$log" ]; then echo "error: $log is a symbolic link; remove it" >&2; exit 1; fi
  exec bash -c "exec $(sed -n "${{line}}p" "$folder/{commands}")" >>"$log" 2>&1'
status=$?

# {saved}: saved, not finished. A job that Slurm is ending, as after scancel, is no longer RUNNING.
if [ $status = {saved} ] && [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" = RUNNING ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
"""


class ArrayLauncher(Launcher):
    """Writes the runs of a sweep as commands, for a scheduler to run.

    Args:
        dir: the folder for commands.txt, folders.txt and array.sh.
        runs_per_task: how many runs one task of the Slurm array trains side by side.
    """

    __module__ = "hydra_plugins.nfvae"  # Hydra accepts plugins of this package only

    def __init__(self, dir: str, runs_per_task: int) -> None:
        super().__init__()
        self.folder = expand(dir, "hydra.launcher.dir").absolute()
        self.runs_per_task = runs_per_task

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Refuse a sweeper that waits for results."""
        raise ConfigError("hydra/launcher=array writes a grid; use hydra/sweeper=grid")

    def write(self, runs: "Sequence[PlannedRun]") -> list[str]:
        """Write the files; returns the sbatch commands that train the runs that are to do.

        A line stands for the same run as long as the folder exists, because a waiting Slurm array
        reads its lines when it starts.

        Raises:
            ConfigError: the folder holds other runs.
            RunFolderError: it cannot be written.
        """
        start = self._start()
        commands = _content(shlex.join([*start, *_arguments(run)]) for run in runs)
        folders = _content(str(run.path.absolute()) for run in runs)
        for name, content in ((COMMANDS, commands), (FOLDERS, folders)):
            file = self.folder / name
            if file.exists() and file.read_bytes() != content:
                raise ConfigError(
                    f"{file} is of another sweep, whose jobs could still be waiting; give this one "
                    "another hydra.launcher.dir, or delete that folder"
                )
        make_output_folder(self.folder, "hydra.launcher.dir=")
        tasks = sorted(
            {n // self.runs_per_task for n, run in enumerate(runs) if run.state == "to do"}
        )
        parts = _parts(tasks)
        script = _encoded(self._script(parts))
        for name, content in ((COMMANDS, commands), (FOLDERS, folders), (SCRIPT, script)):
            write_atomically(self.folder / name, content)
        path = shlex.quote(os.path.relpath(self.folder / SCRIPT))
        if len(parts) == 1 and 0 in parts:
            return [f"sbatch {path}"]
        return [f"sbatch --array={indices} {path} {by}" for by, indices in parts.items()]

    def _script(self, parts: dict[int, str]) -> str:
        cwd = str(Path.cwd())
        return TEXT.format(
            made_by=command_line().replace("\n", " "),
            script=SCRIPT,
            indices=next(iter(parts.values()), "0"),
            folder_pattern=str(self.folder).replace("%", "%%"),
            folder=shlex.quote(str(self.folder)),
            cwd=shlex.quote(cwd),
            cwd_shown=cwd.replace('"', "").replace("$", "").replace("`", ""),
            runs_per_task=self.runs_per_task,
            commands=COMMANDS,
            folders=FOLDERS,
            log=LOG,
            saved=EXIT_STATUS,
        )

    def _start(self) -> list[str]:
        """The words before a run's own overrides."""
        hydra = self.config.hydra
        words = program("train")
        kept = [each for each in hydra.overrides.hydra if not _is_of_sweep(each)]
        places = {each.provider: each.path for each in hydra.runtime.config_sources}
        if "command-line" in places:
            words += ["--config-dir", places["command-line"]]
        if places["main"] != str(CONF):
            words += ["--config-path", places["main"]]
        if hydra.job.config_name != "train":
            words += ["--config-name", hydra.job.config_name]
        if names := plugin_names():
            words.append(f"{KEY}[{','.join(names)}]")
        return [*words, "hydra.mode=RUN", *kept]


def _is_of_sweep(override: str) -> bool:
    """Whether an override of Hydra's settings is about the sweep rather than its runs."""
    key = override.lstrip("+~")
    return key.startswith(
        ("hydra.mode", "hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper")
    )


def _arguments(run: "PlannedRun") -> list[str]:
    """A run's overrides, with the folder as the sweep resolved it."""
    kept = [each for each in run.overrides if not each.startswith(("cluster=", "run.dir="))]
    directory = run.config.run.dir
    return kept if directory is None else [*kept, hydra_override("run.dir", directory)]


def _content(lines: Iterable[str]) -> bytes:
    lines = list(lines)
    if broken := next((line for line in lines if "\n" in line), None):
        raise ConfigError(f"{broken!r:.80} has a line break, so it cannot be a line of {COMMANDS}")
    return _encoded("".join(f"{line}\n" for line in lines))


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # names of folders need not be Unicode


def _parts(tasks: Iterable[int]) -> dict[int, str]:
    """Indices for sbatch --array, such as 0,3-7, in parts of `LARGEST_ARRAY` by what is added."""
    ranges: dict[int, list[list[int]]] = {}
    for task in tasks:
        by = task // LARGEST_ARRAY * LARGEST_ARRAY
        found = ranges.setdefault(by, [])
        if found and found[-1][1] == task - by - 1:
            found[-1][1] += 1
        else:
            found.append([task - by, task - by])
    return {
        by: ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in found)
        for by, found in ranges.items()
    }
