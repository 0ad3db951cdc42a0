"""One fit of a comparison, in its own process.

python -m nfvae.experiments.energies.worker TASK FOLDER, with the task as JSON. A signal ends the
process at once: files are complete or absent at any moment.
"""

import sys
from functools import partial
from pathlib import Path

import torch

from nfvae.experiments.energies.task import FitTask, run_task
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.terminal.failures import report
from nfvae.experiments.terminal.output import protect_output


def main(task: str, folder: str) -> int:
    """Run the fit; returns the exit status. The result is in the folder's results.json."""
    protect_output()
    torch.set_num_threads(1)
    try:
        fit = FitTask.model_validate_json(task)
        run_task(fit, Path(folder), StopRequest(), partial(print, flush=True))
    except Exception as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
