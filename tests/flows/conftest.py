"""Every registered flow, and some compositions, for the tests that all flows must pass."""

from inspect import signature

import pytest
import torch
from torch import Tensor

from nfvae.flows import FLOWS, Compose, Flow

COMPOSED = ["planar+iaf", "radial+householder+spline+none", "full_rank+sylvester_orthogonal"]

# name -> options for a given dimension, small so that the tests take seconds; else defaults.
OPTIONS = {
    "sylvester_orthogonal": lambda dim: {"num_vectors": min(3, dim)},
    "sylvester_householder": lambda dim: {"num_reflections": min(3, dim)},
    "nice": lambda dim: {"context_size": 3, "hidden_size": 8},
    "realnvp": lambda dim: {"context_size": 3, "hidden_size": 8, "hidden_layers": 2},
    "iaf": lambda dim: {"context_size": 3, "hidden_size": 12, "hidden_layers": 2},
    "spline": lambda dim: {"context_size": 3, "hidden_size": 8, "bins": 4},
}
MAX_TRANSFORMS = {"none": 0, "full_rank": 1}


@pytest.fixture(params=[*sorted(FLOWS), *COMPOSED])
def name(request) -> str:
    """A name of `FLOWS`, or several joined by + for their composition."""
    return request.param


def has_fused_form(name: str) -> bool:
    return "fused" in signature(FLOWS[name]).parameters


def build(name: str, dim: int, num_transforms: int, fused: bool) -> Flow:
    if "+" in name:
        names = name.split("+")
        each = -(-num_transforms // len(names))
        return Compose([build(part, dim, each, fused) for part in names])
    options = OPTIONS[name](dim) if name in OPTIONS else {}
    if not fused and has_fused_form(name):
        options["fused"] = False
    return FLOWS[name](dim, min(num_transforms, MAX_TRANSFORMS.get(name, 10**9)), **options)


@pytest.fixture
def make_flow():
    """make_flow(name, dim, num_transforms, fused=True) in float64; none and full_rank get fewer."""

    def make(name: str, dim: int, num_transforms: int, fused: bool = True) -> Flow:
        torch.manual_seed(7)
        return build(name, dim, num_transforms, fused).double()

    return make


@pytest.fixture
def draw_params():
    """draw_params(flow, scale, batch): parameters N(0, scale²), or where training starts (None).

    The weights of the flow itself are moved away from their start.
    """

    def draw(flow: Flow, scale: float | None, batch: tuple[int, ...] = ()) -> Tensor:
        if scale is None:
            return flow.initial_params().double().expand(*batch, -1)
        if scale > flow.max_param_scale:
            pytest.skip(f"{type(flow).__name__}.max_param_scale is {flow.max_param_scale}")
        with torch.no_grad():
            for weight in flow.parameters():
                weight += scale * torch.randn_like(weight) / max(weight.shape[-1], 1) ** 0.5
        return scale * torch.randn(*batch, flow.param_size, dtype=torch.float64)

    return draw


@pytest.fixture
def hint():
    """hint(flow, scale): what to do about a flow that fails at large parameters."""

    def text(flow: Flow, scale: float | None) -> str:
        return (
            f"{type(flow).__name__} fails with parameters from N(0, {scale}²). If that is expected "
            f"of this family, set its class attribute max_param_scale below {scale}"
        )

    return text
