"""The folder of the configuration files, and their groups and choices; read without Hydra."""

from pathlib import Path
from typing import Any

import yaml

# Beside the package in a repository, inside it in a wheel.
_PLACES = (Path(__file__).parents[3] / "conf", Path(__file__).parents[2] / "conf")
CONF = next((place for place in _PLACES if (place / "train.yaml").is_file()), _PLACES[1])


def groups(command: str) -> dict[str, str | None]:
    """The groups of a command's configuration, with their default choices."""
    content: dict[str, Any] = yaml.safe_load((CONF / f"{command}.yaml").read_text("utf-8"))
    entries = [each for each in content["defaults"] if isinstance(each, dict)]
    return {
        group: choice
        for entry in entries
        for group, choice in entry.items()
        if not group.startswith("override")
    }


def choices(group: str) -> list[str]:
    """The names in a group; an empty list if there is no such group."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))
