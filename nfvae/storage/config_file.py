"""config.yaml of a run: the whole configuration it was started with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nfvae.errors import RunFolderError

# libyaml's parser where PyYAML was built with it: ten times as fast, and there may be hundreds.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_config_file(path: Path) -> dict[str, Any]:
    """A mapping of plain values.

    Raises:
        RunFolderError: there is none, or it cannot be read.
    """
    try:
        mapping = yaml.load(path.read_text(), Loader=_Loader)
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"{path.parent} is no run folder: it has no {path.name}; name one that train.py made"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        fault = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error)
        raise RunFolderError(
            f"{path} is no YAML ({' '.join(fault.split())}); put it right or use another folder"
        ) from None
    if not isinstance(mapping, dict) or not all(isinstance(key, str) for key in mapping):
        raise RunFolderError(f"{path} is not a mapping of keys to values")
    return mapping


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings, each under its keys with dots between them."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
