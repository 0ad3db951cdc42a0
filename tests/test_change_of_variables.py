"""A posterior's densities against a closed form: z = exp(z₀) is log-normal."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, LogNormal

from nfvae.flows.base import StepwiseFlow
from nfvae.posterior import FlowPosterior


class Exp(StepwiseFlow):
    """y = exp(a·z) elementwise, and then on: log|dy/dz| = log a + a·z a component."""

    @property
    def param_size(self) -> int:
        return self.num_transforms

    def initial_params(self) -> Tensor:
        return torch.ones(self.num_transforms)

    def unpack(self, params: Tensor) -> list[tuple[Tensor]]:
        return [(a.unsqueeze(-1),) for a in params.unbind(-1)]

    def step(self, k: int, z: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        (a,) = params
        return (a * z).exp(), (a.log() + a * z).sum(-1)

    def inverse_step(self, k: int, y: Tensor, *params: Tensor) -> tuple[Tensor, Tensor]:
        (a,) = params
        return y.log() / a, -(a.log() + y.log()).sum(-1)


@pytest.fixture
def posterior_and_truth():
    loc, log_scale = torch.randn(4, 3).double(), 0.3 * torch.randn(4, 3).double()
    a = torch.rand(4, 1).double() + 0.5
    truth = LogNormal(a * loc, a * log_scale.exp())
    return FlowPosterior(loc, log_scale, Exp(3, 1), a), Independent(truth, 1)


def test_the_density_at_its_samples_is_the_log_normals(posterior_and_truth):
    posterior, truth = posterior_and_truth
    draw = posterior.draw((50,))
    torch.testing.assert_close(draw.log_q, truth.log_prob(draw.z))


def test_the_density_anywhere_is_the_log_normals(posterior_and_truth):
    posterior, truth = posterior_and_truth
    z = 5 * torch.rand(50, 4, 3).double() + 0.01
    torch.testing.assert_close(posterior.log_prob(z), truth.log_prob(z))


def test_the_samples_are_the_log_normals(posterior_and_truth):
    posterior, truth = posterior_and_truth
    logs = posterior.sample((100_000,)).log()
    expected = truth.base_dist
    torch.testing.assert_close(logs.mean(0), expected.loc, atol=0.03, rtol=0)
    torch.testing.assert_close(logs.std(0), expected.scale, atol=0.03, rtol=0)


def test_parameters_of_another_batch_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 1\) do not belong to a batch of shape \(4,\)"):
        FlowPosterior(torch.zeros(4, 3), torch.zeros(4, 3), Exp(3, 1), torch.ones(2, 1))
