"""Commands in forks of a process that has imported everything: they start at once.

Importing torch takes seconds, and a test of killed and resumed runs starts a dozen of them.
"""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "nfvae" / "__main__.py"  # the program of `python -m nfvae`

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("torch._dynamo", "torchvision.utils"),  # imported by optimizers and pictures
        "nfvae.experiments.command_line.hydra_run",
        "nfvae.experiments.commands.fit_energy",
        "nfvae.experiments.commands.train",
        "nfvae.experiments.launching.plan",
    ]
)


def environment(**variables):
    """The variables of a command: those of this process, and some more."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NFVAE_")}
    return kept | {"PYTHONPATH": path} | variables


class Command:
    """A running command, with the methods of subprocess.Popen that the tests need.

    Args:
        program: `MODULE` or a script.
        words: its arguments.
        cwd: the folder to run in.
        variables: additional ones of its environment.
        largest_file: largest size of a file that it can write, in bytes.
        daemon: end it with pytest; joblib does not work in such a command.
    """

    def __init__(self, program, words, cwd=".", variables=None, largest_file=None, daemon=True):
        folder = Path(mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder)
        self._files = [folder / "out", folder / "err"]
        for file in self._files:
            file.touch()
        given = (environment(**(variables or {})), str(Path(cwd).absolute()), self._files)
        arguments = (str(program), words, *given, largest_file)
        self._process = CONTEXT.Process(target=_run, args=arguments, daemon=daemon)
        if str(ROOT) not in sys.path:
            sys.path.insert(0, str(ROOT))  # the fork imports this module by its name
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)

    def outputs(self):
        """What it has written to standard output and standard error."""
        return [file.read_text() for file in self._files]

    def wait(self, timeout=None):
        """Wait for the end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.pid, timeout)

    def communicate(self, timeout=None):
        """Wait for the end; returns the outputs."""
        self.wait(timeout)
        return self.outputs()

    def wait_until(self, condition, seconds=60):
        """Wait for a condition, which must come true while the command runs."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.poll() is None, self.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)


def _run(program, words, variables, cwd, files, largest_file):
    os.environ.clear()
    os.environ.update(variables)
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY), number)
    os.chdir(cwd)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.argv = [program, *words]
    from nfvae.experiments.command_line.main import main, run

    main() if program == str(MODULE) else run(Path(program).stem)
