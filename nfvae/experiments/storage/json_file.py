"""Results as JSON: written whole or not at all, refused in one line when damaged."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import RunFolderError
from nfvae.experiments.storage.atomic import write_atomically

MOST = 10**12  # beyond it no number is a count, a bound or a time, and sums and figures overflow


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """See `write_atomically` for what can go wrong."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def read_results_json(path: Path, required: set[str]) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        RunFolderError: it cannot be read, or lacks one of the required keys.
    """
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({error}); delete it to have it made again"
        ) from None
    if not isinstance(results, dict) or not required <= results.keys():
        raise RunFolderError(f"{path} holds no results; delete it to have it made again")
    return results


def check_numbers(
    path: Path, results: Mapping[str, Any], names: Set[str], or_null: Set[str] = frozenset()
) -> None:
    """Look at what `read_results_json` gave before it is used as numbers.

    Args:
        path: the file.
        results: what it holds.
        names: keys of numbers.
        or_null: those of them that may be null, all together.

    Raises:
        RunFolderError: a value is something else.
    """
    absent = or_null if all(results[name] is None for name in or_null) else frozenset()
    for name in sorted(names - absent):
        value = results[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < MOST:
            raise RunFolderError(
                f"{path}: {name}={value!r:.40} is not a finite number below 1e12; delete the file "
                "to have it made again"
            )
