"""A lock on a run folder: only one process at a time can use it."""

import fcntl
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Event, Thread

from nfvae.experiments.errors import FolderInUseError, printable
from nfvae.experiments.storage.regular_file import open_regular

PATIENCE = 20.0  # seconds: a run that is stopped or requeued can still be saving
POLL = 0.5
BEAT = 5.0  # without locks: seconds between signs of life
SILENCE = 4 * BEAT  # after which a holder without one counts as dead
SETTLE = 2.0  # for two processes that claim a folder at the same moment


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's .lock; waits a little for a process that is about to end.

    The system releases it when the process ends. On a file system without locks, a file .claim
    stands for it, whose time the holder renews; clocks of different machines are not compared here.

    Raises:
        FolderInUseError: another process holds it.
        OSError: a file cannot be opened, or is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder / ".lock", flags, 0o666)
    try:
        has_locks = _wait_for_lock(descriptor, folder)
        with nullcontext() if has_locks else _claimed(folder):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _holder().encode(), 0)
            yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether another process holds the folder's lock; for a display or a plan.

    On a file system without locks: whether the claim was renewed in the last `SILENCE` seconds by
    this machine's clock. `locked`, which protects the folder, compares no clocks.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # no such file
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        claim = _read(folder / ".claim")
        return claim is not None and abs(time.time() - claim[1]) < SILENCE
    finally:
        os.close(descriptor)
    return False


def lock_holder(folder: Path) -> str | None:
    """ "PID on HOST" of the last process that held the lock; None if there was none."""
    found = _read(folder / ".lock")
    return printable(found[0].strip()) if found and found[0].strip() else None


def _holder() -> str:
    return f"{os.getpid()} on {socket.gethostname()}\n"


def _wait_for_lock(descriptor: int, folder: Path) -> bool:
    """Lock a file; False if the file system has no locks."""
    until = time.monotonic() + PATIENCE
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise _in_use(folder, lock_holder(folder)) from None
            told = told or _tell(folder)
            time.sleep(POLL)
        except OSError:
            return False
        else:
            return True


def _tell(folder: Path) -> bool:
    print(
        f"note: {folder} is in use by process {lock_holder(folder) or 'unknown'}; waiting "
        f"{PATIENCE:.0f} s for it",
        file=sys.stderr,
        flush=True,
    )
    return True


def _in_use(folder: Path, holder: str | None) -> FolderInUseError:
    return FolderInUseError(
        f"{folder} is in use by process {holder or 'unknown'}; wait for it, or give this run "
        "another run.dir"
    )


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold .claim: whoever wrote it last has the folder, until it shows no sign of life."""
    file, mine = folder / ".claim", f"{secrets.token_hex(8)} {_holder()}"
    claim, until = _read(file), time.monotonic() + SILENCE
    told = False
    while claim is not None and time.monotonic() < until:
        told = told or _tell(folder)
        time.sleep(min(POLL, BEAT))
        before, claim = claim, _read(file)
        if claim is not None and claim != before:
            raise _in_use(folder, _holder_of(claim))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, 0o666), "w") as written:
        written.write(mine)
    time.sleep(SETTLE)
    claim = _read(file)
    if claim is None or claim[0] != mine:
        raise _in_use(folder, _holder_of(claim))
    ended = Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(OSError):
                os.utime(file)

    Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if (claim := _read(file)) and claim[0] == mine:
            with suppress(OSError):
                file.unlink()


def _holder_of(claim: tuple[str, float] | None) -> str | None:
    return printable(claim[0].partition(" ")[2].strip()) if claim else None


def _read(file: Path) -> tuple[str, float] | None:
    """A file's content and time of change; None without a file.

    Both come from an open file, about which a network file system asks the server.
    """
    try:
        with open_regular(file, 1000) as opened:
            return opened.read().decode(errors="replace"), os.fstat(opened.fileno()).st_mtime
    except OSError:
        return None
