"""What the scripts have in common: one line for an error, a status at the end."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import fail

SCRIPTS = Path(__file__).parents[2] / "scripts"
INTERRUPTED = 128 + signal.SIGINT  # as shells have it
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")


def run_script(
    config_name: str,
    job: Callable[[Mapping[str, Any]], int],
    sweep: Callable[[Any], int] | None = None,
) -> NoReturn:
    """Compose the configuration, do the job for it (or for each of a multirun), exit.

    A job takes the composed mapping and returns its exit status, or raises an NfvaeError, which
    becomes one line on standard error and status 1. In a multirun the jobs after a failed one are
    done all the same; an interrupted one ends it. Where there is a sweep, it takes a multirun as a
    whole: a list of `nfvae.experiments.composition.Composed`.
    """

    def composed() -> int:
        from nfvae.experiments.composition import for_each_composed  # Hydra takes a while

        all_at_once = None if sweep is None else partial(_guarded, sweep)
        return for_each_composed(config_name, partial(_guarded, job), all_at_once)

    _run(composed)


def run_command(command: Callable[[Sequence[str]], int]) -> NoReturn:
    """The same for a command that reads its own arguments."""
    _run(partial(_guarded, command, sys.argv[1:]))


def _run(work: Callable[[], int]) -> NoReturn:
    before = signal.signal(signal.SIGINT, _leave)
    try:
        status = work()
        sys.stdout.flush()
    except KeyboardInterrupt:  # asked twice while a job was saving
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of our output, head say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    finally:
        signal.signal(signal.SIGINT, before)
    sys.exit(status)


def _guarded(work: Callable[[Any], int], given: Any) -> int:
    try:
        return work(given)
    except (NfvaeError, OSError, MemoryError, RuntimeError, ImportError) as error:
        return fail(_explain(error))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C where no job has its own way to stop.

    At once, for a KeyboardInterrupt in the middle of an import may come out as anything or be lost.
    Files are whole or not there at any moment, so nothing needs to be put in order.
    """
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(INTERRUPTED)


def command_line() -> str:
    """The command that started this process."""
    return " ".join(["python", *map(shlex.quote, sys.argv)])


def _explain(error: Exception) -> str:
    """An error's line.

    Raises:
        Exception: it is none that a user can put right, but a fault of the program.
    """
    if isinstance(error, NfvaeError):
        return str(error)
    if isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return (
            "out of memory; what was saved is intact: close other programs and give the same "
            "command again, or make the model or the batch smaller in another folder"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}; what was there before is kept"
    raise error
