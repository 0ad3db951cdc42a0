"""How the jobs of a sweep ended."""

import sys
from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus

from nfvae.experiments.errors import FolderInUseError, printable
from nfvae.experiments.interruption import EXIT_STATUS, Interrupted, received_signal
from nfvae.experiments.terminal.call import command_line
from nfvae.experiments.terminal.failures import reason


class Tally:
    """How the jobs of a sweep ended."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.in_use: list[str] = []
        self.interrupted = ""
        """What happened to the running jobs when a signal came; empty without a signal."""

    def add(self, names: Sequence[str], returned: Sequence[JobReturn]) -> None:
        """Count the results of jobs."""
        for name, job in zip(names, returned, strict=True):
            state, why = job_outcome(job)
            if state == "failed":
                self.failed.append((name, why))
            elif state == "in use":
                self.in_use.append(name)
            elif state == "interrupted":
                self.interrupted = "saved"

    def summary(self, total: int, what: str, refused: int) -> int:
        """Print a line for each incomplete job and one for all; returns the exit status."""
        for name, why in self.failed:
            print(printable(f"failed  {name}: {why}"))
        for name in self.in_use:
            print(printable(f"in use  {name}: another process uses it"))
        if self.interrupted:
            by = received_signal()
            stopped = f"stopped by {by.name}" if by else "stopped"
            print(f"{stopped}; {self.interrupted}. To resume: {command_line()}", file=sys.stderr)
            return EXIT_STATUS
        again = f"To try them again: {command_line()}"
        if failed := len(self.failed) + refused:
            print(f"{failed} of {total} {what} failed. {again}", file=sys.stderr)
            return 1
        if self.in_use:
            in_use = len(self.in_use)
            print(
                f"{in_use} of {total} {what} are in use by another process. {again}",
                file=sys.stderr,
            )
            return EXIT_STATUS
        print(f"all {total} {what} are complete")
        return 0


def job_outcome(returned: JobReturn) -> tuple[str, str]:
    """done, interrupted, in use or failed, and a reason in one line, of a job that Hydra ran."""
    if returned.status == JobStatus.COMPLETED:
        return "done", ""
    error = returned._return_value  # the property of that name would raise it
    if isinstance(error, Interrupted):
        return "interrupted", str(error)
    if isinstance(error, FolderInUseError):
        return "in use", str(error)
    return "failed", reason(error)
