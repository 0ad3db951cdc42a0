"""Results as JSON: written atomically, checked when read."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import RunFolderError, one_line
from nfvae.experiments.storage.atomic import write_atomically
from nfvae.experiments.storage.regular_file import read_regular

MAX_BYTES = 2**24
MAX_NUMBER = 10**12  # larger numbers are errors, and would overflow sums and figures


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file atomically."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def read_results_json(path: Path, required: Set[str] = frozenset()) -> dict[str, Any]:
    """Read what `write_json` wrote, with these keys at least."""
    try:
        results = json.loads(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({one_line(error, 160)}); delete it to have it made again"
        ) from None
    if not isinstance(results, dict) or not required <= results.keys():
        raise RunFolderError(f"{path} holds no results; delete it to have it made again")
    return results


def check_numbers(
    path: Path, results: Mapping[str, Any], names: Set[str], or_null: Set[str] = frozenset()
) -> None:
    """Check that values of a file are numbers.

    Args:
        path: the file, for messages.
        results: the result of `read_results_json`.
        names: keys whose values must be numbers.
        or_null: keys among them whose values may be null, but only all of them together.
    """
    absent = or_null if all(results[name] is None for name in or_null) else frozenset()
    for name in sorted(names - absent):
        value = results[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < MAX_NUMBER:
            raise RunFolderError(
                f"{path}: {name}={value!r:.40} is not a finite number below 1e12; delete the file "
                "to have it made again"
            )
