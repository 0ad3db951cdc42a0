"""One process of a run, forked for test_distributed.py, which passes `given`."""

import os
import sys
from pathlib import Path

given = globals()["given"]

os.environ.update(given["environment"])
os.chdir(given["folder"])
for number, stream in ((1, "out"), (2, "err")):
    os.dup2(os.open(given[stream], os.O_WRONLY | os.O_CREAT, 0o600), number)
sys.argv = given["command"]
sys.path.insert(0, str(Path(sys.argv[0]).parents[1]))

from nfvae.experiments.command_line.main import run  # noqa: E402

run("train")
