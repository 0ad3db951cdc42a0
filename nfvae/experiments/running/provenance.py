"""The versions and the commit behind a result."""

import os
import platform
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import torch

import nfvae

ROOT = Path(__file__).resolve().parents[3]


def provenance() -> dict[str, Any]:
    """`versions` of the packages that affect numbers, and `git_commit`.

    Call it before the work, since the checkout can change during it.
    """
    return {
        "versions": {
            "nfvae": nfvae.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        "git_commit": _git_commit(ROOT),
    }


def _git_commit(root: Path) -> str | None:
    """Commit of the checkout this package runs from, with "+" if it has changes.

    None for an installed package, also if it is inside the checkout of another project.
    """
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["name"]
        if Path(top).resolve() != root or project != nfvae.__name__:
            return None
        _git(root, "ls-files", "--error-unmatch", "nfvae/__init__.py")
        return _git(root, "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*")
    except (OSError, ValueError, KeyError, TypeError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    """Output of git in a folder, regardless of GIT_ environment variables."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
