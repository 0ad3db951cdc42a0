"""Figures and grids of images, made from results, logs or a model.

All figures are `matplotlib.figure.Figure` objects, drawn without pyplot, so no backend is needed.
"""

import os
import sys
from contextlib import suppress

# Notebooks set MPLBACKEND for all processes that they start, also in other environments. On import
# matplotlib refuses the name of a backend that is not installed. A known one is set afterwards, as
# matplotlib does, for users who import pyplot. Without it, each module imports matplotlib, which is
# slow, where it needs it.
if "matplotlib" not in sys.modules and (backend := os.environ.pop("MPLBACKEND", "")):
    import matplotlib

    os.environ["MPLBACKEND"] = backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = backend
