"""The folder of a run: as configured, or named after the overrides."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from nfvae.experiments.configuration.config import Config
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers
from nfvae.paths import expand

LONGEST_NAME = 160  # file systems allow 255 bytes


def run_path(config: Config, overrides: Sequence[str]) -> Path:
    """The run's folder: run.dir; or outputs/ with run.name or a name made from the overrides."""
    if config.run.dir is not None:
        return expand(config.run.dir, "run.dir")
    return Path("outputs") / (config.run.name or default_name(config, overrides))


def default_name(config: Config, overrides: Sequence[str]) -> str:
    """A folder name made from the overrides, such as planar_K16_seed0_lr-0.002.

    It has flow, K and seed, then all other overrides in alphabetical order. A key is shortened to
    its last part if that is unique in the configuration. The characters need no quotes in a shell
    or on a Hydra command line.
    """
    last_parts = [key.rpartition(".")[2] for key, _ in flatten(config.model_dump())]
    parts = [config.flow["name"], f"K{config.K}", f"seed{config.seed}"]
    for override in sorted(override.lstrip("+~") for override in overrides):
        key, equals, value = override.partition("=")
        if key in ("flow", "K", "seed") or not changes_numbers(key) or key.startswith("hydra"):
            continue
        last = key.rpartition(".")[2]
        short = last if last_parts.count(last) == 1 else key
        parts.append(re.sub(r"[^\w.+-]+", "-", f"{short}{equals}{value}").strip("-"))
    name = "_".join(parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"
