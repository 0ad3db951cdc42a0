"""The commands: `nfvae train …`, `python -m nfvae train …` or `python scripts/train.py …`."""

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn

from nfvae.experiments.command_line.help import COMMANDS, command_help, overview
from nfvae.experiments.configuration.conf import is_configured
from nfvae.experiments.errors import fail
from nfvae.experiments.interruption import INTERRUPTED, record_signal
from nfvae.experiments.terminal.call import remember_call
from nfvae.experiments.terminal.failures import report
from nfvae.experiments.terminal.output import output_error, protect_output
from nfvae.experiments.terminal.plugins import import_plugins, take_plugins
from nfvae.experiments.terminal.torchrun import place, refuse_torchrun, write_to_terminal

SHOWS = {"--help", "-h", "--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc"}


def main() -> NoReturn:
    """The console command `nfvae`: its first argument names the command."""
    name, *words = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        _exit(name, words)
    protect_output()
    if name in ("--help", "-h", "help"):
        print(overview())
    elif name == "--version":
        from nfvae import __version__

        print(f"nfvae {__version__}")
    else:
        print(f"error: {name} is not a command; known: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(_status_of_output(0))


def run(name: str) -> NoReturn:
    """Run a script's command with the arguments of this process."""
    _exit(name, sys.argv[1:])


def _exit(name: str, words: list[str]) -> NoReturn:
    protect_output()
    record_signal(None)
    remember_call(name, sys.argv[0], words)
    write_to_terminal((found := place()) is None or found.rank == 0)
    before = signal.signal(signal.SIGINT, _leave)
    try:
        status = _run(name, words)
    except KeyboardInterrupt:  # a second Ctrl-C while a run was saving
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    if not is_configured(name) or SHOWS.intersection(words):
        status = _status_of_output(status)
    sys.stdout.flush()
    sys.exit(status)


def _run(name: str, words: list[str]) -> int:
    try:
        if name != "train":
            refuse_torchrun(f"{name} is for one", "start it without torchrun")
        words = take_plugins(words)
        if not is_configured(name):
            import_plugins()
            command = getattr(import_module(f"nfvae.experiments.commands.{name}"), name)
            return int(command([word.removeprefix("run=") for word in words]))
        if "--help" in words or "-h" in words:
            print(command_help(name))
            return 0
        from nfvae.experiments.command_line import hydra_run  # importing Hydra is slow

        words = hydra_run.with_run_key(name, words)
        sys.argv = [sys.argv[0], *words]
        return hydra_run.run_hydra(name, words)
    except SystemExit as end:  # raised by Hydra, argparse and tasks
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        return report(error)


def _status_of_output(status: int) -> int:
    """The exit status of a command whose result is its output: 1 if that could not be written."""
    if (error := output_error()) is None:
        return status
    return fail(f"cannot write the output: {error.strerror}")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Handle Ctrl-C outside of training: end the process at once.

    A KeyboardInterrupt in the middle of an import can be lost. Files are complete or absent at any
    moment, so no clean-up is needed.
    """
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
