"""Figures and grids of images, made from results, logs or a model.

All figures are `matplotlib.figure.Figure` objects, drawn without pyplot, so no backend is needed.
"""

import os
from contextlib import suppress


def _ignore_unknown_backend() -> None:
    """Import matplotlib also if MPLBACKEND names a backend that is not installed here.

    Notebooks set this variable for all processes that they start, also for those of another
    environment. matplotlib reads it only when it is imported, and then refuses an unknown one.
    """
    with suppress(ValueError):
        import matplotlib  # noqa: F401

        return
    backend = os.environ.pop("MPLBACKEND")
    try:
        import matplotlib  # noqa: F401
    finally:
        os.environ["MPLBACKEND"] = backend


if "MPLBACKEND" in os.environ:  # otherwise each module imports it where it is needed: it is slow
    _ignore_unknown_backend()
