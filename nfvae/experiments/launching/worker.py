"""One job of a sweep, in its own process: python -m nfvae.experiments.launching.worker.

Standard input is a file with the pickled task name and configuration from the launcher. The worker
replaces its content by the pickled `JobReturn`.
"""

import os
import pickle
import sys
import traceback
from typing import Any

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, run_job, setup_globals
from hydra.types import HydraContext

from nfvae.experiments.terminal.failures import explain
from nfvae.experiments.terminal.output import protect_output
from nfvae.experiments.terminal.tasks import task


def main() -> None:
    """Run the job; the exit status is 0 if there is a result, also if the job failed."""
    protect_output()
    name, config = pickle.loads(_take_input())
    version.setbase("1.3")
    setup_globals()
    JobRuntime.instance().set("name", config.hydra.job.name)
    returned = run_job(
        task_function=task(name),
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=HydraContext(
            config_loader=ConfigLoaderImpl(ConfigSearchPathImpl()), callbacks=Callbacks()
        ),
    )
    if returned.status == JobStatus.FAILED:
        print(f"error: {explain(returned._return_value) or 'see above'}", file=sys.stderr)
    _give(_picklable(returned))


def _take_input() -> bytes:
    with os.fdopen(os.dup(0), "rb") as file:
        content = file.read()
    os.ftruncate(0, 0)
    os.lseek(0, 0, os.SEEK_SET)
    return content


def _give(content: bytes) -> None:
    with os.fdopen(os.dup(0), "wb") as file:
        file.write(content)


def _picklable(returned: JobReturn) -> bytes:
    try:
        content = pickle.dumps(returned)
        pickle.loads(content)
    except Exception:  # an error class that cannot be pickled
        traceback.print_exc()
        error: Any = returned._return_value
        returned.return_value = RuntimeError(f"{type(error).__name__}: {error}")
        content = pickle.dumps(returned)
    return content


if __name__ == "__main__":
    main()
