"""What made a result: versions and commit."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import nfvae


def provenance() -> dict[str, Any]:
    """`versions` of the parts that numbers depend on, and `git_commit`.

    To be asked for before the work: the checkout may be another one at its end.
    """
    return {
        "versions": {
            "nfvae": nfvae.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    """Commit of the checkout this package runs from, with "+" if it was changed; None if none."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
