"""Normalizing flows: one file per family; the formulas are in each class's docstring.

A family enters `FLOWS` by the decorator `@register("name")`. Every module of this package is
imported, so adding a family is adding a file here.
"""

from nfvae.flows.base import Flow, StepwiseFlow
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
from nfvae.registry import import_all

import_all(__name__, __path__)

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
    "StepwiseFlow",
    "TriangularSylvester",
    "register",
]
