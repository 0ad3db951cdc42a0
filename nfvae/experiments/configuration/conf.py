"""The folder of the configuration files, and their groups and choices; read without Hydra."""

from pathlib import Path
from typing import Any

import yaml

# Beside the package in a repository, inside it in a wheel.
_PLACES = (Path(__file__).parents[3] / "conf", Path(__file__).parents[2] / "conf")
CONF = next((place for place in _PLACES if (place / "train.yaml").is_file()), _PLACES[1])


def is_configured(command: str) -> bool:
    """Whether Hydra configures a command; otherwise it has its own options."""
    return (CONF / f"{command}.yaml").is_file()


def takes_runs(command: str) -> bool:
    """Whether a command that Hydra configures must get run folders, as `run=…`."""
    return bool(_content(command).get("run") == "???")


def groups(command: str) -> dict[str, str | None]:
    """The groups of a command's configuration, with their default choices."""
    chosen: dict[str, str | None] = {}
    for entry in _content(command)["defaults"]:
        if isinstance(entry, dict):  # not _self_
            chosen |= entry
    return {group: choice for group, choice in chosen.items() if not group.startswith("override")}


def choices(group: str) -> list[str]:
    """The names in a group; an empty list if there is no such group."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def _content(command: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / f"{command}.yaml").read_text("utf-8"))
    return content
