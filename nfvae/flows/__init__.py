"""Normalizing flows by name.

Every module of this package is read once; a concrete flow enters the registry by the decorator
`@register("name")`. Adding a family is adding a file.
"""

from importlib import import_module
from pkgutil import iter_modules

from nfvae.flows.base import Flow
from nfvae.flows.registry import FLOWS, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["FLOWS", "Flow", "register"]
