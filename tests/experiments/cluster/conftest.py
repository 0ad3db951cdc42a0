"""A Slurm cluster of one node, this machine, for the tests of a session."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ...warm import environment

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SchedulerParameters=batch_sched_delay=1,bf_interval=2,sched_interval=2
KillWait=5
SlurmdTimeout=15
NodeName={host} NodeAddr=127.0.0.1 CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(number):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """A running Slurm; `env` is the environment in which its commands find it."""

    def __init__(self, folder, env):
        self.folder, self.env = folder, env
        self.daemons = {}

    def start(self, *words):
        self.daemons[words[0]] = subprocess.Popen(
            words, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self, name):
        process = self.daemons.pop(name)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()

    def output(self, *words):
        """What a command prints; nothing if it fails."""
        ended = subprocess.run(words, env=self.env, capture_output=True, text=True, check=False)
        return ended.stdout.strip()

    def lose(self, job):
        """As if the node had crashed: every process of a job is killed, and Slurm finds out."""
        batch = self.output("pgrep", "-f", rf"^slurmstepd: \[{job}\.").split()
        for pid in [pid for parent in batch for pid in descendants(parent)] + batch:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.stop("slurmd")
        self.start("slurmd", "-D")


def descendants(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in children for each in [child, *descendants(child)]]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    if missing := [name for name in NEEDED if not shutil.which(name, path=path)]:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    folder = tmp_path_factory.mktemp("slurm")
    key, conf = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    host, user = socket.gethostname().partition(".")[0], pwd.getpwuid(os.getuid()).pw_name
    conf.write_text(SLURM_CONF.format(host=host, user=user, folder=folder, ports=free_ports(2)))
    kept = {k: v for k, v in environment().items() if not k.startswith("SLURM")}
    cluster = Cluster(folder, kept | {"PATH": path, "SLURM_CONF": str(conf)})
    places = [f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file")]
    try:
        cluster.start(
            *("munged", "--foreground", "--force", f"--key-file={key}", *places),
            f"--seed-file={folder}/munge.seed",
        )
        wait_for((folder / "munge.socket").exists)
        cluster.start("slurmctld", "-D", "-c")
        cluster.start("slurmd", "-D")
        wait_for(lambda: cluster.output("sinfo", "-h", "-o", "%T") == "idle")
        yield cluster
        cluster.output("scancel", "--full", "--signal=KILL", "--partition=main")
        wait_for(lambda: not cluster.output("squeue", "-h"), 30)
    finally:
        for name in list(reversed(cluster.daemons)):
            cluster.stop(name)


def wait_for(condition, seconds=900):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found
