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


INF = float("inf")


@pytest.mark.parametrize("bad", [float("nan"), INF, -INF])
@pytest.mark.parametrize("name", ["loc", "log_scale", "params"])
@pytest.mark.parametrize("validate_args", [None, True])
def test_values_that_are_not_finite_are_refused(name, bad, validate_args):
    flow = FLOWS["planar"](2, 1)
    arguments = {
        "loc": torch.zeros(3, 2),
        "log_scale": torch.zeros(3, 2),
        "params": torch.zeros(3, flow.param_size),
    }
    FlowPosterior(flow=flow, validate_args=validate_args, **arguments)
    arguments[name][1, 0] = bad
    with pytest.raises(ValueError, match=f"^{name} of a posterior must be finite, and is not$"):
        FlowPosterior(flow=flow, validate_args=validate_args, **arguments)


def test_training_does_not_look_for_values_that_are_not_finite():
    flow = FLOWS["none"](2)
    loc = torch.full((2,), INF)
    q = FlowPosterior(loc, torch.zeros(2), flow, torch.zeros(0), validate_args=False)
    assert q.rsample().isinf().all()


def test_points_that_are_not_numbers_are_refused():
    q = make_posterior()
    with pytest.raises(ValueError, match="support"):
        q.log_prob(torch.full((4, 2), float("nan"), dtype=torch.float64))


@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_an_empty_batch_is_empty(flow):
    q = make_posterior(flow, batch=(0,), num_transforms={"none": 0, "full_rank": 1}.get(flow, 2))
    draw = q.draw((3,))
    assert draw.z.shape == (3, 0, 2)
    assert draw.log_q.shape == (3, 0)


def test_draws_follow_the_generator():
    q = make_posterior()
    first, second = (q.draw((5,), torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first.z, second.z)
    assert torch.equal(first.log_q, second.log_q)


def test_log_dets_of_the_transforms_add_up():
    q = make_posterior(num_transforms=3)
    by_transform = q.transform_log_dets(torch.Generator().manual_seed(2))
    draw = q.draw((), torch.Generator().manual_seed(2))
    assert by_transform.shape == (3, 4)
    torch.testing.assert_close(by_transform.sum(0), draw.log_det)
