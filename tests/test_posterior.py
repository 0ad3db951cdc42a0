import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence, register_kl
from torch.distributions.kl import _KL_REGISTRY

from nfvae.flows import FLOWS
from nfvae.posterior import FlowPosterior


def make_posterior(flow="planar", batch=(4,), dim=2, num_transforms=3):
    torch.manual_seed(0)
    family = FLOWS[flow](dim, num_transforms)
    loc, log_scale = torch.randn(2, *batch, dim, dtype=torch.float64) * 0.5
    params = 0.7 * torch.randn(*batch, family.param_size, dtype=torch.float64)
    return FlowPosterior(loc, log_scale, family, params)


def test_shapes_follow_torch_distributions():
    q = make_posterior(batch=(4, 3))
    assert q.batch_shape == (4, 3)
    assert q.event_shape == (2,)
    assert q.rsample((5,)).shape == (5, 4, 3, 2)
    assert q.log_prob(q.sample((5,))).shape == (5, 4, 3)


@pytest.mark.parametrize("flow", ["planar", "radial"])
def test_log_prob_at_own_samples_is_the_change_of_variables(flow):
    q = make_posterior(flow)
    draw = q.draw((7,))
    torch.testing.assert_close(q.log_prob(draw.z), draw.log_q, rtol=1e-10, atol=1e-10)


def test_without_flow_it_is_the_diagonal_gaussian():
    q = make_posterior("none", num_transforms=0)
    z = torch.randn(5, 4, 2, dtype=torch.float64)
    gaussian = Independent(Normal(q.loc, q.log_scale.exp()), 1)
    torch.testing.assert_close(q.log_prob(z), gaussian.log_prob(z))


def test_density_integrates_to_one():
    q = make_posterior(num_transforms=3)
    axis = torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).unsqueeze(1)
    mass = q.log_prob(grid).exp().sum(0) * (axis[1] - axis[0]) ** 2
    torch.testing.assert_close(mass, torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-3)


def test_rsample_carries_gradients_to_everything():
    q = make_posterior()
    for tensor in (q.loc, q.log_scale, q.params):
        tensor.requires_grad_()
    grads = torch.autograd.grad(q.rsample().sum(), (q.loc, q.log_scale, q.params))
    assert all((grad != 0).any() for grad in grads)


def test_expand_and_independent():
    q = make_posterior()
    wide = q.expand((3, 4))
    z = wide.sample()
    assert z.shape == (3, 4, 2)
    torch.testing.assert_close(wide.log_prob(z)[1], q.log_prob(z[1]))
    assert wide.params.data_ptr() == q.params.data_ptr()
    torch.testing.assert_close(Independent(wide, 1).log_prob(z), wide.log_prob(z).sum(-1))


def test_works_with_a_registered_kl(monkeypatch):
    monkeypatch.setattr("torch.distributions.kl._KL_REGISTRY", dict(_KL_REGISTRY))
    monkeypatch.setattr("torch.distributions.kl._KL_MEMOIZE", {})

    @register_kl(FlowPosterior, Independent)
    def _monte_carlo(p, q):
        z = p.rsample((20_000,))
        return (p.log_prob(z) - q.log_prob(z)).mean(0)

    prior = Independent(Normal(torch.zeros(4, 2).double(), torch.ones(4, 2).double()), 1)
    gaussian = make_posterior("none", num_transforms=0)
    exact = kl_divergence(Independent(Normal(gaussian.loc, gaussian.log_scale.exp()), 1), prior)
    torch.testing.assert_close(kl_divergence(gaussian, prior), exact, rtol=0.1, atol=0.02)


def test_bad_arguments_are_refused():
    flow = FLOWS["none"](2)
    loc = torch.tensor([float("nan"), 0.0])
    with pytest.raises(ValueError, match="loc"):
        FlowPosterior(loc, torch.zeros(2), flow, torch.zeros(0), validate_args=True)
