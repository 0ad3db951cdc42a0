"""How long train.py takes to complete its first step."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nfvae.errors import NfvaeError
from nfvae.experiments.benchmark.timing import interleaved
from nfvae.experiments.storage.run_folder import RunFolder


def startup(repeats: int) -> dict[str, float]:
    """Seconds of a process that imports torch and torchvision, and of train.py until the checkpoint
    of its first step is on disk."""
    return interleaved(
        {"import torch, torchvision": _import, "train.py to its first step": _first_step}, repeats
    )


def _import() -> None:
    subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)


def _first_step() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        command = [sys.executable, "-m", "nfvae", "train", f"run.dir={run.path}"]
        command += ["trainer.checkpoint_every=1", "trainer.progress=false", "flow=planar", "K=16"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
        try:
            while not run.last.exists():
                if process.poll() is not None:
                    raise NfvaeError(f"{' '.join(command)} ended with status {process.returncode}")
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
