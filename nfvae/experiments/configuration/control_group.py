"""Cores and memory that this process may use.

A container or a batch system limits them by Linux control groups.
"""

import os
import resource
import sys
from math import ceil
from pathlib import Path

import torch

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def control_group(name: str, root: Path = ROOT, own: Path = OWN) -> list[str]:
    """Contents of a file such as memory.max, for this process's group and the groups above it."""
    try:
        (line,) = [line for line in own.read_text().splitlines() if line.startswith("0::")]
    except (OSError, ValueError):
        line = "0::/"
    group = root / line.removeprefix("0::").lstrip("/")
    folders = [folder for folder in (group, *group.parents) if root in (folder, *folder.parents)]
    files = [folder / name for folder in folders]
    return [file.read_text().strip() for file in files if file.is_file()]


def num_cores(root: Path = ROOT, own: Path = OWN) -> int:
    """Number of cores that this process may use, by its affinity and its groups' quotas."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for text in control_group("cpu.max", root, own):  # "max 100000" or "200000 100000"
        quota, period = text.split()
        if quota.isdigit():
            cores = min(cores, max(1, ceil(int(quota) / int(period))))
    return cores


def default_num_threads() -> int:
    """OMP_NUM_THREADS, or else the number of cores that this process may use."""
    threads = torch.get_num_threads()
    return threads if "OMP_NUM_THREADS" in os.environ else min(threads, num_cores())


def available_memory(device: torch.device) -> int:
    """Bytes of the GPU, or of the machine within the limits of this process."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    limits += [int(text) for text in control_group("memory.max") if text.isdigit()]
    return min(limits)
