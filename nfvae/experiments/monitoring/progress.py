"""A progress bar on a terminal."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(stage: str, total: int, done: int = 0, show: bool = True) -> "tqdm[Any]":
    """The bar of one stage of a run, on standard error; hidden without a terminal.

    Args:
        stage: its name.
        total: units of the whole stage.
        done: units completed by an earlier process.
        show: whether to show it on a terminal.
    """
    hidden = not (show and sys.stderr.isatty())
    return tqdm(
        total=total,
        initial=done,
        desc=stage,
        disable=hidden,
        dynamic_ncols=True,
        unit_scale=True,
        mininterval=0.2,
    )
