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
from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext

from nfvae.experiments.errors import fail, printable
from nfvae.experiments.interruption import end_undisturbed
from nfvae.experiments.launching.processes import IN_USE
from nfvae.experiments.launching.tally import job_outcome
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
    state, why = job_outcome(returned)
    if state == "interrupted":
        status = end_undisturbed()
        print(printable(why), file=sys.stderr)
        return status
    if state != "done":
        fail(why)
    return {"done": 0, "in use": IN_USE}.get(state, 1)


if __name__ == "__main__":
    sys.exit(main())
