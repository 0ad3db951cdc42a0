"""Output that cannot be written is an error only if the output is the command's result."""

import errno
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nfvae.experiments.terminal.output import ForgivingStream

from ...warm import environment
from ..processes import FAST

RUN = (*FAST, "K=2", "run.dir=run")
SHELL = f"{sys.executable} -m nfvae"


class Broken(io.StringIO):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))

    flush = write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_text_that_cannot_be_written_is_dropped(number):
    stream = ForgivingStream(Broken(number))
    assert stream.write("abc") == 3
    print("more", file=stream)
    assert stream.lost.errno == number


def test_a_reader_that_went_away_gets_nothing_more():
    reader, writer = os.pipe()
    os.close(reader)
    stream = ForgivingStream(os.fdopen(writer, "w"))
    stream.write("x" * 100_000)
    stream.flush()
    assert stream.lost.errno == errno.EPIPE
    stream.write("more")
    stream.stream.close()  # what was buffered goes to /dev/null: the end is silent too


def test_a_closed_stream():
    stream = ForgivingStream(io.StringIO())
    stream.stream.close()
    assert stream.write("abc") == 3


CASES = {
    "reader gone": f"{SHELL} train {{}} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}",
    "closed": f"{SHELL} train {{}} >&- 2>&- <&-",
    "full": f"{SHELL} train {{}} >/dev/full 2>/dev/full",
    "C locale, sweep": f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {SHELL} train -m {{}}",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_training_goes_on(case, tmp_path):
    command = CASES[case].replace("{}", " ".join(f"'{word}'" for word in RUN))
    ended = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert json.loads((tmp_path / "run" / "results.json").read_text())["steps"] == 20


@pytest.mark.slow
def test_training_goes_on_when_its_terminal_is_closed(tmp_path):
    words = [word.replace("max_steps=20", "max_steps=300") for word in RUN]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-m", "nfvae", "train", *words], environment())
    shown = b""
    while b"run folder" not in shown:
        shown += os.read(terminal, 1000)
    os.kill(child, signal.SIGHUP)
    os.close(terminal)
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.1)
    assert os.waitstatus_to_exitcode(status) == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["steps"] == 300


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["train --cfg job", "--help"])
def test_output_that_a_command_is_for_must_be_written(words, tmp_path):
    for target, status in (("/dev/full", 1), ("/dev/null", 0)):
        ended = subprocess.run(
            ["bash", "-c", f"{SHELL} {words} >{target}"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == status
        expected = "error: cannot write the output: No space left on device\n"
        assert ended.stderr == (expected if status else "")


def test_a_table_that_meets_a_full_disk_is_an_error(write_run, tmp_path):
    write_run("a")
    for command, status in (("table a >/dev/full", 1), ("table a | head -0", 0)):
        ended = subprocess.run(
            ["bash", "-c", f"{SHELL} {command}; exit ${{PIPESTATUS[0]}}"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            check=False,
        )
        assert ended.returncode == status
        assert b"Traceback" not in ended.stderr
