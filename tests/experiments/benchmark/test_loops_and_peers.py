"""What is timed side by side computes the same."""

import warnings

import pytest
import torch

from nfvae.experiments.benchmark.peers import pyro_planar
from nfvae.experiments.benchmark.planar_loops import PlanarBmmLoop, PlanarLoop
from nfvae.flows.planar import Planar


@pytest.mark.parametrize("loop", [PlanarLoop, PlanarBmmLoop])
def test_the_loops_are_the_stack(loop):
    flow = Planar(5, 7)
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(2, 3, 5, dtype=torch.float64)
    for stack, stepwise in zip(flow(z, params), loop(5, 7)(z, params), strict=True):
        torch.testing.assert_close(stack, stepwise)


def test_pyros_planar_is_ours_with_the_papers_constraint():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pyro", reason="the extra `bench` is not installed")
    flow = Planar(5, 7, constraint="paper")
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(3, 5, dtype=torch.float64)
    for ours, theirs in zip(flow(z, params), pyro_planar(5, 7)(z, params), strict=True):
        torch.testing.assert_close(ours, theirs)
