"""One run of a sweep, in its own process: python -m nfvae.experiments.launching.worker.

Standard input is the pickled configuration from the launcher. The exit status is that of train.py,
or `IN_USE`; the last line of the output is the error.
"""

import pickle
import sys

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.utils import JobRuntime, JobStatus, run_job, setup_globals
from hydra.types import HydraContext

from nfvae.experiments.errors import FolderInUseError
from nfvae.experiments.interruption import Interrupted, end_undisturbed
from nfvae.experiments.launching.processes import IN_USE
from nfvae.experiments.terminal.failures import reason
from nfvae.experiments.terminal.output import protect_output
from nfvae.experiments.terminal.tasks import task


def main() -> int:
    """Train; returns the exit status."""
    protect_output()
    config = pickle.load(sys.stdin.buffer)
    version.setbase("1.3")
    setup_globals()
    JobRuntime.instance().set("name", config.hydra.job.name)
    returned = run_job(
        task_function=task("train"),
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=HydraContext(
            config_loader=ConfigLoaderImpl(ConfigSearchPathImpl()), callbacks=Callbacks()
        ),
    )
    if returned.status == JobStatus.COMPLETED:
        return 0
    error = returned._return_value  # the property of that name would raise it
    if isinstance(error, Interrupted):
        status = end_undisturbed()
        print(error, file=sys.stderr)
        return status
    print(f"error: {reason(error)}", file=sys.stderr)
    return IN_USE if isinstance(error, FolderInUseError) else 1


if __name__ == "__main__":
    sys.exit(main())
