"""config.yaml of a run: the whole configuration it was started with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.errors import RunFolderError

# What it raises on text that is no YAML, on scalars that are not what their tag says (2001-99-99),
# and on what holds itself.
BROKEN = (ValueError, KeyError, AttributeError, TypeError, RecursionError, yaml.YAMLError)
# libyaml's parser where PyYAML was built with it: ten times as fast, and there may be hundreds.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_config_file(path: Path) -> dict[str, Any]:
    """A mapping of plain values.

    Raises:
        RunFolderError: there is none, or it cannot be read.
    """
    try:
        mapping = yaml.load(path.read_text(), Loader=_Loader)
        is_plain = isinstance(mapping, dict) and all(
            isinstance(name, str) for name in _keys(mapping)
        )
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"{path.parent} is no run folder: it has no {path.name}; name one that train.py made"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except BROKEN as error:
        mark = getattr(error, "problem_mark", None)
        fault = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error)
        raise RunFolderError(
            f"{path} is no YAML ({' '.join(fault.split())}); put it right or use another folder"
        ) from None
    if not is_plain:
        raise RunFolderError(f"{path} is not a mapping of keys to values")
    config: dict[str, Any] = mapping
    return config


def _keys(mapping: Mapping[object, Any]) -> Iterator[object]:
    """On every level."""
    for key, value in mapping.items():
        yield key
        if isinstance(value, Mapping):
            yield from _keys(value)


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """The entry at a.b.c; None where there is none."""
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings, each under its keys with dots between them."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
