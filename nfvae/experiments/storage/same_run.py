"""Whether two configurations describe the same run, and how they differ."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import RunFolderError, one_line
from nfvae.experiments.storage.config_file import flatten

# Keys that may change when a run is resumed. They affect only rounding, logging or what follows a
# NaN. The data at another root must be identical.
FREE_KEYS = frozenset(
    {"run", "cluster", "data.root", "device", "flow.fused"}
    | {"trainer.num_threads", "trainer.compile", "trainer.precision", "trainer.cuda_graph"}
    | {"trainer.progress"}
    | {"trainer.log_every", "trainer.checkpoint_every", "trainer.on_nan", "trainer.max_rewinds"}
)


def is_off(value: object) -> bool:
    """Whether this value of an option is equivalent to not having the option.

    Zero does not count as off: a decoder weight decay of 0 differs from null.
    """
    return value is None or value is False


def changes_numbers(key: str) -> bool:
    """Whether runs that differ in this key, a.b.c, can have different results."""
    key = re.sub(r"^flow\.flows\.\d+\.", "flow.", key)  # an entry of flow=compose
    return key not in FREE_KEYS and not key.startswith("run.")


def check_same_run(path: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a configuration that differs from the stored one in something that changes numbers."""
    differing = [
        f"{key} was {one_line(left)}, is now {one_line(right)}"
        for key, left, right in differences(was, now)
    ]
    if differing:
        raise RunFolderError(
            f"{path} holds a run of another configuration ({'; '.join(differing[:4])}); "
            "give this one another run.dir or run.name"
        )


def differences(
    left: Mapping[str, Any], right: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, left value, right value) of each difference that changes numbers.

    A key that is missing on one side, because its version did not have the option, counts as off:
    null or false.
    """
    a, b = dict(flatten(left, prefix)), dict(flatten(right, prefix))
    for key in sorted(filter(changes_numbers, a.keys() | b.keys())):
        was, now, one_lacks_it = a.get(key), b.get(key), key not in a or key not in b
        if was != now and not (one_lacks_it and is_off(was) and is_off(now)):
            yield key, was, now
