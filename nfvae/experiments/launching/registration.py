"""Register this project's launcher and sweeper with Hydra."""

import sys
from importlib import import_module
from types import ModuleType

from hydra.core.plugins import Plugins

NAME = "hydra_plugins.nfvae"


def register_plugins() -> None:
    """Register the classes that conf/hydra/launcher and conf/hydra/sweeper name.

    Hydra accepts only plugins of the package `hydra_plugins`, and looks them up by name. So a
    module of that package is made here. It is not installed, so other projects do not see it.
    """
    registry = Plugins.instance()  # before the imports, because it executes Hydra's sweepers again
    from nfvae.experiments.launching.array import ArrayLauncher
    from nfvae.experiments.launching.launcher import ProcessLauncher
    from nfvae.experiments.launching.sweeper import GridSweeper

    try:
        package = import_module("hydra_plugins")
    except ModuleNotFoundError:  # no plugin is installed
        package = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        package.__path__ = []
    module = sys.modules[NAME] = ModuleType(NAME)
    package.nfvae = module  # type: ignore[attr-defined]
    for plugin in (ProcessLauncher, ArrayLauncher, GridSweeper):
        setattr(module, plugin.__name__, plugin)
        registry.register(plugin)
