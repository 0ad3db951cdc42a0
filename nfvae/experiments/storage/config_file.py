"""config.yaml of a run: the whole configuration it was started with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nfvae.experiments.errors import RunFolderError, one_line
from nfvae.experiments.storage.regular_file import read_regular

MAX_BYTES = 2**18
MAX_DEPTH = 20
# What PyYAML raises on text that is not YAML and on scalars that do not fit their tag (2001-99-99).
PARSE_ERRORS = (ValueError, KeyError, AttributeError, TypeError, RecursionError, yaml.YAMLError)
# libyaml's parser, if PyYAML was built with it: ten times as fast, and there may be many files.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_config_file(path: Path) -> dict[str, Any]:
    """A mapping of plain values."""
    try:
        text = read_regular(path, MAX_BYTES).decode()
        _check_structure(text)
        mapping = yaml.load(text, Loader=_Loader)
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"{path.parent} is not a run folder: it has no {path.name}; "
            "name a folder that train.py made"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except PARSE_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else error
        raise RunFolderError(
            f"{path} is not valid YAML ({one_line(problem, 160)}); correct it or use another folder"
        ) from None
    if not isinstance(mapping, dict) or not _has_text_keys(mapping):
        raise RunFolderError(f"{path} is not a mapping of keys to values")
    return mapping


def _has_text_keys(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _has_text_keys(each) for key, each in value.items())
    return not isinstance(value, list) or all(map(_has_text_keys, value))


def _check_structure(text: str) -> None:
    """Refuse YAML that could need unlimited time or memory; raises ValueError."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases are not supported")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} nested levels")


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """The entry at a.b.c; None if it does not exist."""
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def flatten(mapping: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of all leaves of nested mappings and lists of mappings."""
    for key, value in mapping.items():
        if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
