"""Commands in forks of a process that has imported everything: they start at once.

Importing torch takes seconds, and a test of killed and resumed runs starts a dozen of them.
"""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkstemp

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "nfvae" / "__main__.py"  # the program of `python -m nfvae`

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "torch._dynamo",  # else each fork imports it when it makes its optimizer
        "nfvae.experiments.command_line.hydra_run",
        "nfvae.experiments.commands.fit_energy",
        "nfvae.experiments.commands.train",
        "nfvae.experiments.launching.plan",
    ]
)


class Command:
    """A running command, with the methods of subprocess.Popen that the tests need.

    Args:
        program: `MODULE` or a script.
        words: its arguments.
        cwd: the folder to run in.
        largest_file: largest size of a file that it can write, in bytes.
    """

    def __init__(self, program, words, cwd=".", largest_file=None):
        self._outputs = [_empty_file(), _empty_file()]
        arguments = (str(program), words, str(Path(cwd).absolute()), self._outputs, largest_file)
        self._process = CONTEXT.Process(target=_run, args=arguments)
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

    def communicate(self, timeout=None):
        """Wait for the end; what it wrote to standard output and standard error."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.pid, timeout)
        return [output.read_text() for output in self._outputs]

    def wait_until(self, condition, seconds=60):
        """Wait for a condition, which must come true while the command runs."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.poll() is None, self.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)


def _empty_file():
    descriptor, name = mkstemp()
    os.close(descriptor)
    return Path(name)


def _run(program, words, cwd, outputs, largest_file):
    for name in [name for name in os.environ if name.startswith("NFVAE_")]:
        del os.environ[name]
    os.environ["PYTHONPATH"] = str(ROOT)  # for its own processes
    for number, output in enumerate(outputs, start=1):
        os.dup2(os.open(output, os.O_WRONLY), number)
    os.chdir(cwd)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.argv = [program, *words]
    from nfvae.experiments.command_line.main import main, run

    main() if program == str(MODULE) else run(Path(program).stem)
