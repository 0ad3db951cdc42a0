"""One fit of a comparison, in a process of its own.

python -m nfvae.experiments.energies.worker TASK FOLDER, with the task as JSON.
"""

import sys
from functools import partial
from pathlib import Path

import torch

from nfvae.errors import NfvaeError
from nfvae.experiments.energies.task import FitTask, run_task
from nfvae.experiments.errors import fail
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, stop_on_signals


def main(task: str, folder: str) -> int:
    """Do the fit; returns the exit status. The result is in the folder's results.json."""
    torch.set_num_threads(1)
    with stop_on_signals() as stop:
        try:
            run_task(
                FitTask.model_validate_json(task), Path(folder), stop, partial(print, flush=True)
            )
        except Interrupted as reason:
            print(reason)
            return EXIT_STATUS
        except NfvaeError as error:
            return fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
