"""Normalizing flows: one file per family; the formulas are in each class's docstring.

A family enters `FLOWS` by the decorator `@register("name")`. Every module of this package is
imported, so adding a family is adding a file here.
"""

from importlib import import_module
from pkgutil import iter_modules

from nfvae.flows.base import Flow
from nfvae.flows.compose import Compose
from nfvae.flows.full_rank import FullRank
from nfvae.flows.householder import Householder
from nfvae.flows.iaf import IAF
from nfvae.flows.identity import Identity
from nfvae.flows.nice import NICE
from nfvae.flows.planar import Planar
from nfvae.flows.radial import Radial
from nfvae.flows.realnvp import RealNVP
from nfvae.flows.registry import FLOWS, register
from nfvae.flows.spline import Spline
from nfvae.flows.sylvester import HouseholderSylvester, OrthogonalSylvester, TriangularSylvester

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "FLOWS",
    "IAF",
    "NICE",
    "Compose",
    "Flow",
    "FullRank",
    "Householder",
    "HouseholderSylvester",
    "Identity",
    "OrthogonalSylvester",
    "Planar",
    "Radial",
    "RealNVP",
    "Spline",
    "TriangularSylvester",
    "register",
]
