"""An HTML page about a run or a sweep: settings, results, curves and pictures."""

import nfvae.experiments.figures  # noqa: F401  (imports matplotlib whatever MPLBACKEND is)
