"""A training that dies, or finds the disk full, at each system call that makes its files durable.

python fail_at_each_call.py killed|full FOLDER: for each n (of a full disk: each fourth), a fork of
this process trains and fails at its n-th fsync or rename, another goes on, and what they leave is
compared with an unbroken run.
Forks, since they start in no time; this process itself never computes, so they inherit no threads.
"""

import errno
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch._dynamo  # else each fork imports it when it makes its optimizer
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.plugin_event_accumulator import TENSORS, EventAccumulator

from nfvae.experiments.configuration.config import parse_config
from nfvae.experiments.errors import RunFolderError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running import run as training
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder

CONF = Path(__file__).parents[3] / "conf"
RUN = (
    *("device=cpu", "K=2", "model.latent_dim=3", "model.hidden=[8]", "objective.annealing=none"),
    *("trainer.max_steps=20", "trainer.val_every=10", "trainer.checkpoint_every=10"),
    *("trainer.log_every=5", "trainer.batch_size=20", "trainer.progress=false"),
    *("eval.elbo_draws=2", "eval.num_samples=1"),
)
NOT_TOLD, FAILED_AS_TOLD = 1, 3
PROVENANCE = {"train_seconds", "steps_per_second", "git_commit"}


def main(how, parent):
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("train", overrides=list(RUN))
    config = parse_config(OmegaConf.to_container(composed, resolve=True))
    torch.set_num_threads(1)
    data = training.read_data(config.data)
    few = replace(data, train=first(data.train), val=first(data.val), test=first(data.test))
    training.read_data = lambda config: few

    whole = RunFolder(parent / "whole")
    calls = parent / "calls"
    assert in_a_fork(lambda: counted(config, whole, calls)) == 0
    number = int(calls.read_text())
    tried = range(0, number, 1 if how == "killed" else 4)
    for n in tried:
        folder = RunFolder(parent / f"{n}")
        status = in_a_fork(lambda n=n, f=folder: failing_at(n, how, config, f))
        assert status == (-signal.SIGKILL if how == "killed" else FAILED_AS_TOLD), (n, status)
        if folder.last.exists():
            load_checkpoint(folder.last)
        if folder.results.exists():
            folder.read_results()
        assert in_a_fork(lambda f=folder: train(config, f)) == 0, n
        compare(folder, whole, n)
    print(f"survived {len(tried)} of {number}")


def first(split, n=300):
    return replace(split, images=split.images[:n].clone(), labels=split.labels[:n].clone())


def in_a_fork(job):
    """Exit status of a job, negative for a signal."""
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        status = NOT_TOLD
        try:
            job()
            status = 0
        except RunFolderError as error:
            told = "No space left on device" in str(error) and "make room" in str(error)
            status = FAILED_AS_TOLD if told else NOT_TOLD
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def train(config, folder):
    training.run_training(config, folder, StopRequest())


def counted(config, folder, file):
    calls = watch(lambda n: None)
    train(config, folder)
    file.write_text(str(calls[0]))


def failing_at(n, how, config, folder):
    def fail(call):
        if call == n and how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if call >= n and how == "full":  # and full it stays
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    watch(fail)
    train(config, folder)


def watch(before_call):
    """Have a function see each fsync and rename, counted from 0, before it happens."""
    calls = [0]

    def wrap(function):
        def wrapped(*arguments, **options):
            calls[0] += 1
            before_call(calls[0] - 1)
            return function(*arguments, **options)

        return wrapped

    os.fsync, os.replace = wrap(os.fsync), wrap(os.replace)
    return calls


def compare(folder, whole, n):
    for name in ("last", "best"):
        ours, theirs = (load_checkpoint(getattr(f, name)) for f in (folder, whole))
        assert all(torch.equal(ours["model"][key], theirs["model"][key]) for key in theirs["model"])
        assert ours["step"] == theirs["step"]
    results = [
        {key: value for key, value in f.read_results().items() if key not in PROVENANCE}
        for f in (folder, whole)
    ]
    assert results[0] == results[1], n
    assert metrics(folder) == metrics(whole), (n, metrics(folder), metrics(whole))
    assert names(folder) == names(whole), n
    assert results_shown(folder) == results_shown(whole), n


def metrics(folder):
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("system/")} for line in lines]


def results_shown(folder):
    """Steps of what TensorBoard shows of the test split."""
    logged = EventAccumulator(str(folder.path), {TENSORS: 0}).Reload()
    tags = [tag for tag in logged.Tags()["tensors"] if tag.startswith("test/")]
    return {tag: [event.step for event in logged.Tensors(tag)] for tag in tags}


def names(folder):
    """Of all files; a run has an event file for each time it was started."""
    files = (path.relative_to(folder.path) for path in folder.path.rglob("*"))
    return {str(path) for path in files if "tfevents" not in path.name}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
