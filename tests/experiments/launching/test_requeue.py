"""A saved run goes back into Slurm's queue through submitit's own handler of its signal."""

import os
import signal

import pytest

from nfvae.experiments.terminal.tasks import requeue


@pytest.fixture
def in_job(tmp_path, monkeypatch):
    """A Slurm job of submitit in this state; returns the signals that reached its handler."""

    def make(state, executor="slurm"):
        squeue = tmp_path / "squeue"
        squeue.write_text(f'#!/bin/sh\n[ "$2" = --job=17 ] && echo {state}\n')
        squeue.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("SUBMITIT_EXECUTOR", executor)
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        seen = []
        monkeypatch.setattr(signal, "raise_signal", seen.append)
        return seen

    return make


@pytest.mark.parametrize(("state", "requeues"), [("RUNNING", 1), ("COMPLETING", 0), ("", 0)])
def test_only_a_running_job_is_requeued(in_job, state, requeues):
    seen = in_job(state)
    with pytest.raises(SystemExit):
        requeue()
    assert seen == [signal.SIGUSR2] * requeues


def test_a_local_job_of_submitit_just_ends(in_job):
    seen = in_job("RUNNING", "local")
    requeue()
    assert not seen
