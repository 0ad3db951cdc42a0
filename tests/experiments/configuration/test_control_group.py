"""Limits of containers and batch jobs, in the groups that they set them in."""

import os

import pytest
import torch

from nfvae.experiments.configuration.control_group import (
    control_group,
    default_num_threads,
    num_cores,
)

MODULE = "nfvae.experiments.configuration.control_group"


@pytest.fixture
def group(tmp_path):
    """A job's group below a node's, each with a memory limit; the job has a CPU quota."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    job = root / "slurm" / "job_7"
    job.mkdir(parents=True)
    (root / "slurm" / "memory.max").write_text("max\n")
    (job / "memory.max").write_text("1000000000\n")
    own.write_text("0::/slurm/job_7\n")
    return root, own


def test_the_groups_above_count_too(group):
    assert control_group("memory.max", *group) == ["1000000000", "max"]
    assert control_group("memory.swap.max", *group) == []


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 2), ("50000 100000", 1)])
def test_a_quota_limits_the_cores(group, quota, cores, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert num_cores(*group) == 8
    (group[0] / "slurm" / "cpu.max").write_text(quota + "\n")
    assert num_cores(*group) == cores


def test_a_quota_limits_the_default_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    for cores, threads in ((2, 2), (16, 8)):
        monkeypatch.setattr(f"{MODULE}.num_cores", lambda cores=cores: cores)
        assert default_num_threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setattr(f"{MODULE}.num_cores", lambda: 2)
    assert default_num_threads() == 8


def test_no_group_is_no_limit(tmp_path):
    assert control_group("cpu.max", tmp_path / "none", tmp_path / "nothing") == []
