"""When two configurations are of the same run, and what tells them apart."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nfvae.experiments.errors import RunFolderError

# What may differ between two commands that go on with the same run. At most rounding depends on it,
# what is logged, or what follows a NaN; and data at any root are the same to the byte.
FREE_KEYS = frozenset(
    {"run", "data.root", "device", "trainer.num_threads", "trainer.compile", "trainer.progress"}
    | {"trainer.log_every", "trainer.checkpoint_every", "trainer.on_nan", "trainer.max_rewinds"}
)


def is_off(value: object) -> bool:
    """Whether an option so set does what a configuration from before the option does.

    Zero is a value: a weight decay of 0 is not the same as none of its own.
    """
    return value is None or value is False


def changes_numbers(key: str) -> bool:
    """Whether two runs that differ in this key, a.b.c, can end with different numbers."""
    return key not in FREE_KEYS and not key.startswith("run.")


def check_same_run(path: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the configuration stored at `path` with the one asked for.

    Raises:
        RunFolderError: they differ in something that changes numbers.
    """
    differing = [f"{key} was {left}, is now {right}" for key, left, right in differences(was, now)]
    if differing:
        raise RunFolderError(
            f"{path} holds a run of another configuration ({'; '.join(differing[:4])}); "
            "give this one another run.dir or run.name"
        )


def differences(
    left: Mapping[str, Any], right: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """(key with dots, value left, value right) of what differs and changes numbers.

    A key that one side lacks, an option younger than its configuration, counts as off there: null
    or false.
    """
    for key in sorted(left.keys() | right.keys(), key=str):
        name = f"{prefix}{key}"
        if name in FREE_KEYS:
            continue
        a, b = left.get(key), right.get(key)
        lacked = key not in left or key not in right
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from differences(a, b, f"{name}.")
        elif a != b and not (lacked and is_off(a) and is_off(b)):
            yield name, a, b
