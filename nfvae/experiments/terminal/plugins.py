"""`plugins=my_module`: import the user's modules, which register flows, networks and so on.

Only the command line can name modules to import; configuration files, checkpoints and run folders
cannot.
"""

import importlib
import os
import sys

from nfvae.experiments.errors import ConfigError

KEY = "plugins="
_NAMES = "NFVAE_PLUGINS"  # inherited by the processes of a sweep


def take_plugins(words: list[str]) -> list[str]:
    """Take `plugins=…` out of the command line; `import_plugins` imports these modules later."""
    named = [word.removeprefix(KEY) for word in words if word.startswith(KEY)]
    names = [name.strip() for value in named for name in value.strip("[]").split(",")]
    if any(not all(part.isidentifier() for part in name.split(".")) for name in names):
        raise ConfigError(
            f"{KEY}{','.join(named)} must name modules, as in plugins=my_flow or plugins=[a,b.c]"
        )
    os.environ[_NAMES] = ",".join(names)
    return [word for word in words if not word.startswith(KEY)]


def plugin_names() -> list[str]:
    """The modules that the command line named."""
    return [*filter(None, os.environ.get(_NAMES, "").split(","))]


def import_plugins() -> None:
    """Import the modules that the command line named, also from the current folder."""
    for name in plugin_names():
        if os.getcwd() not in sys.path:  # noqa: PTH109
            sys.path.append(os.getcwd())  # noqa: PTH109
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise ConfigError(
                f"{KEY}{name}: there is no module {error.name} here, on PYTHONPATH, or installed"
            ) from None
