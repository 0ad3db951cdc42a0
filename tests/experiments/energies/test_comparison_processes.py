"""A comparison's processes: killed ones, a killed parent, signals."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ...warm import ROOT, Command

COMPARISON = (
    "comparison=rezende_figure3",
    "comparison.energies=[U1]",
    "comparison.K=[1,2]",
    "comparison.flows=[{name: planar}]",
    "num_workers=2",
    "fit.restarts=1",
    "dir=out",
)
LONG = "fit.max_steps=1000000"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture
def start(tmp_path):
    """Start fit_energy in its own folder; kill remaining processes at the end."""
    started = []

    def start(*words):
        started.append(Command(ROOT / "scripts" / "fit_energy.py", [*COMPARISON, *words], tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def workers(process, number=2):
    """Process id of each worker by the K of its fit, once all are there."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def look():
        assert process.poll() is None, process.communicate()
        found = {}
        for pid in children.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"nfvae.experiments.energies.worker" in words:
                found[json.loads(words[-3])["K"]] = int(pid)
        return found if len(found) == number else None

    return wait_for(look)


def wait_for(look):
    for _ in range(600):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("waited for a minute")


def is_gone(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_worker_is_one_line_and_the_other_fit_is_kept(start, tmp_path):
    process = start("fit.max_steps=50")
    os.kill(workers(process)[2], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.startswith("error: 1 of 2 fits failed; U1_planar_K2_seed0: killed by SIGKILL (see ")
    assert err.count("\n") == 1
    assert "U1 planar K=1: KL" in out
    kept = tmp_path / "out" / "fits" / "U1_planar_K1_seed0" / "results.json"
    written = kept.stat().st_mtime_ns
    again = start("fit.max_steps=50")
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert kept.stat().st_mtime_ns == written
    fits = json.loads((tmp_path / "out" / "results.json").read_text())["fits"]
    assert [fit["K"] for fit in fits] == [1, 2]


def test_a_killed_parent_leaves_no_workers(start):
    process = start(LONG)
    pids = workers(process).values()
    process.kill()
    process.communicate()
    assert wait_for(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_and_prints_how_to_resume(start, number):
    process = start(LONG)
    pids = workers(process).values()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 75
    assert f"stopped by {number.name}; complete fits are kept. To resume: " in err
    assert "fit.max_steps=1000000" in err
    assert all(map(is_gone, pids))
