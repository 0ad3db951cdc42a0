"""The bound: its terms, its gradients, its annealing, and the importance-weighted bound."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from nfvae.objective import (
    Objective,
    annealing_beta,
    elbo,
    elbo_terms,
    importance_weighted,
)
from nfvae.priors import log_standard_normal

SHAPE = (1, 4, 5)


@pytest.fixture
def images():
    torch.manual_seed(1)
    return (torch.rand(6, *SHAPE) < 0.4).double()


def test_monte_carlo_kl_without_flow_agrees_with_closed_form(tiny_vae, images):
    vae = tiny_vae("none", dim=3, num_transforms=0)
    q = vae.posterior(images)
    kl = elbo_terms(vae, images, q.draw((200_000,), torch.Generator().manual_seed(0))).kl
    q0 = Independent(Normal(q.loc, q.log_scale.exp()), 1)
    prior = Independent(Normal(torch.zeros_like(q.loc), 1.0), 1)
    closed_form = kl_divergence(q0, prior)
    standard_error = kl.std(0) / kl.shape[0] ** 0.5
    assert ((kl.mean(0) - closed_form).abs() < 5 * standard_error).all()


def test_prior_is_taken_at_the_end_of_the_flow_and_log_det_whole(tiny_vae, images):
    """ELBO terms from the definition, by the change of variables at the very samples."""
    vae = tiny_vae("planar", num_transforms=5)
    q = vae.posterior(images)
    draw = q.draw((3,), torch.Generator().manual_seed(0))
    terms = elbo_terms(vae, images, draw)
    torch.testing.assert_close(terms.log_prior, log_standard_normal(draw.z))
    torch.testing.assert_close(terms.log_q, q.log_prob(draw.z))
    expected = terms.log_likelihood + log_standard_normal(draw.z) - q.log_prob(draw.z)
    torch.testing.assert_close(terms.log_weight, expected)


def test_elbo_is_the_mean_of_the_terms_for_each_image(tiny_vae, images):
    vae = tiny_vae()
    draw = vae.posterior(images).draw((7,), torch.Generator().manual_seed(3))
    expected = elbo_terms(vae, images, draw).log_weight.mean(0)
    found = elbo(vae, images, 7, torch.Generator().manual_seed(3))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("flow", ["planar", "radial", "iaf"])
def test_the_gradient_in_x_is_the_finite_difference(tiny_vae, images, flow):
    """x enters twice, through q(z|x) and through p(x|z)."""
    vae = tiny_vae(flow, num_transforms=2)

    def bound(x):
        q = vae.posterior(x, validate_args=False)  # x off the bits, to both sides
        draw = q.draw((2,), torch.Generator().manual_seed(4))
        return elbo_terms(vae, x, draw).log_weight.mean()

    x = images[:2].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(bound(x), x)
    expected, h = torch.empty_like(x), 1e-6
    with torch.no_grad():
        for index in range(x.numel()):
            step = torch.zeros(x.numel()).double()
            step[index] = h
            step = step.view_as(x)
            expected.view(-1)[index] = (bound(x + step) - bound(x - step)) / (2 * h)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)

    # `elbo` of images with a gradient, at the bits themselves, is the same.
    total = elbo(vae, x, 2, torch.Generator().manual_seed(4)).mean()
    torch.testing.assert_close(torch.autograd.grad(total, x)[0], gradient)


@pytest.mark.parametrize("flow", ["planar", "iaf"])
def test_no_second_derivative_of_the_bound(tiny_vae, images, flow):
    vae = tiny_vae(flow)
    with pytest.raises(RuntimeError, match="is differentiable once") as caught:
        torch.autograd.grad(elbo(vae, images).sum(), vae.head.weight, create_graph=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flow", ["none", "planar", "radial"])
def test_bound_holds_and_tightens_with_samples(tiny_vae, images, flow):
    """E[ELBO] ≤ E[IW_10] ≤ E[IW_100] (Burda et al. 2016, theorem 1), beyond the noise."""
    vae = tiny_vae(flow, num_transforms=0 if flow == "none" else 4)
    draw = vae.posterior(images).draw((20_000,), torch.Generator().manual_seed(0))
    log_weight = elbo_terms(vae, images, draw).log_weight
    bounds = [importance_weighted(log_weight.view(s, -1, 6)).mean(0) for s in (1, 10, 100)]
    assert (bounds[0] < bounds[1]).all()
    assert (bounds[1] < bounds[2]).all()


def test_importance_weighted_with_one_sample_is_the_elbo():
    log_weight = torch.randn(1, 4)
    torch.testing.assert_close(importance_weighted(log_weight), log_weight[0])


def test_importance_weights_far_below_the_smallest_float():
    log_weight = torch.tensor([[-2000.0], [-2001.0]])
    expected = -2000 + torch.log((1 + torch.exp(torch.tensor(-1.0))) / 2)
    torch.testing.assert_close(importance_weighted(log_weight), expected.view(1))


def test_annealing_schemes(tiny_vae, images):
    vae = tiny_vae()
    terms = elbo_terms(vae, images, vae.posterior(images).draw((2,)))
    none, energy, kl = (Objective(annealing=kind) for kind in ("none", "energy", "kl"))
    for objective in (none, energy, kl):
        torch.testing.assert_close(objective.annealed_log_weight(terms, 1.0), terms.log_weight)
    torch.testing.assert_close(energy.annealed_log_weight(terms, 0.0), -terms.log_q)
    torch.testing.assert_close(kl.annealed_log_weight(terms, 0.0), terms.log_likelihood)
    torch.testing.assert_close(
        energy.annealed_log_weight(terms, 0.25),
        0.25 * (terms.log_likelihood + terms.log_prior) - terms.log_q,
    )
    torch.testing.assert_close(
        kl.annealed_log_weight(terms, 0.25), terms.log_likelihood - 0.25 * terms.kl
    )


def test_loss_is_minus_the_annealed_bound_of_its_step(tiny_vae, images):
    vae = tiny_vae()
    terms = elbo_terms(vae, images, vae.posterior(images).draw((5,)))
    assert torch.equal(Objective(5).loss(terms, 0), -importance_weighted(terms.log_weight).mean())
    annealed = Objective(5, "kl", annealing_start=0.2, annealing_steps=10)
    expected = terms.log_likelihood - 0.6 * terms.kl
    torch.testing.assert_close(annealed.loss(terms, 5), -importance_weighted(expected).mean())


def test_beta_rises_to_one_and_stays():
    betas = [annealing_beta(step, 0.01, 10_000) for step in (0, 5_000, 9_999, 10_000, 10**6)]
    assert betas == pytest.approx([0.01, 0.505, 0.999901, 1, 1])
    assert Objective().weight(0) == 1
    assert Objective(annealing="energy").weight(5000) == pytest.approx(0.505)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"annealing": "energie"}, "annealing must be one of none, energy, kl, got 'energie'"),
        ({"num_samples": 0}, "num_samples=0 must be at least 1"),
    ],
)
def test_what_is_no_objective_is_refused(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Objective(**wrong)
