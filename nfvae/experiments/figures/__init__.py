"""Figures and grids of images, made from results, logs or a model.

All figures are `matplotlib.figure.Figure` objects, drawn without pyplot, so no backend is needed.
"""

import os
import sys
from contextlib import suppress


def _import_without_backend() -> None:
    """Import matplotlib even if MPLBACKEND names a backend that is not installed.

    Notebooks set this variable for all processes that they start, also in other environments.
    matplotlib reads it on import and refuses an unknown backend. A known backend is set
    afterwards, as matplotlib does, for users who import pyplot.
    """
    backend = os.environ.pop("MPLBACKEND")
    try:
        import matplotlib

        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    finally:
        os.environ["MPLBACKEND"] = backend


# In all other cases, each module imports matplotlib, which is slow, where it needs it.
if os.environ.get("MPLBACKEND") and "matplotlib" not in sys.modules:
    _import_without_backend()
