import pytest
import torch
from torch.distributions import MultivariateNormal

from nfvae.flows.full_rank import FullRank
from nfvae.posterior import FlowPosterior


def lower_factor(flow: FullRank, params: torch.Tensor) -> torch.Tensor:
    """L by the flow itself: column j is the image of e_j."""
    return flow(torch.eye(flow.dim, dtype=params.dtype), params)[0].mT


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_density_is_that_of_a_multivariate_normal(dim: int) -> None:
    flow = FullRank(dim, 1)
    loc = torch.randn(3, dim, dtype=torch.float64)
    log_scale = torch.randn(3, dim, dtype=torch.float64)
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    factor = torch.stack([lower_factor(flow, row) for row in params])
    expected = MultivariateNormal(
        (factor @ loc.unsqueeze(-1)).squeeze(-1), scale_tril=factor * log_scale.exp().unsqueeze(1)
    )
    posterior = FlowPosterior(loc, log_scale, flow, params)
    draw = posterior.draw((4,))
    torch.testing.assert_close(draw.log_q, expected.log_prob(draw.z))
    torch.testing.assert_close(posterior.log_prob(draw.z), expected.log_prob(draw.z))


def test_the_matrix_is_unit_lower_triangular_row_by_row() -> None:
    flow = FullRank(3, 1)
    expected = torch.tensor([[1.0, 0, 0], [2, 1, 0], [3, 4, 1]])
    assert lower_factor(flow, torch.tensor([2.0, 3, 4])).equal(expected)


def test_starts_as_the_identity_and_k_0_stays_it() -> None:
    z = torch.randn(5, 4)
    flow = FullRank(4, 1)
    assert flow(z, flow.initial_params())[0].equal(z)
    assert FullRank(4, 0).param_size == 0
    assert FullRank(4, 0)(z, torch.zeros(0))[0].equal(z)


def test_more_than_one_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="K must be 0 or 1, got K=2"):
        FullRank(4, 2)


def test_finite_at_large_parameters() -> None:
    flow = FullRank(40, 1)
    params = (100 * torch.randn(2, flow.param_size)).requires_grad_()
    z, log_det = flow(torch.randn(3, 2, 40), params)
    assert z.isfinite().all()
    assert not log_det.any()
    assert torch.autograd.grad(z.sum(), params)[0].isfinite().all()
