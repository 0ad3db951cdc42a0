"""Killed, or out of disk, at any call that makes a file durable: nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("fail_at_each_call.py")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "full"])
def test_fails_at_each_call(tmp_path, how):
    done = subprocess.run(
        [sys.executable, PROGRAM, how, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    survived, of, number = done.stdout.split()[1:4]
    assert of == "of"
    assert int(survived) == len(range(0, int(number), 1 if how == "killed" else 4))
    assert int(number) > 20  # config.yaml, metrics, some checkpoints, results.json
    print(done.stdout)
