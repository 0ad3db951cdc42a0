import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from nfvae.objective import (
    annealed_log_weight,
    annealing_beta,
    elbo_terms,
    importance_weighted,
)
from nfvae.posterior import log_standard_normal


@pytest.fixture
def images():
    torch.manual_seed(1)
    return (torch.rand(6, 20) < 0.4).double()


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


def test_annealing_schemes(tiny_vae, images):
    vae = tiny_vae()
    terms = elbo_terms(vae, images, vae.posterior(images).draw((2,)))
    for kind in ("none", "energy", "kl"):
        torch.testing.assert_close(annealed_log_weight(terms, 1.0, kind), terms.log_weight)
    torch.testing.assert_close(annealed_log_weight(terms, 0.0, "energy"), -terms.log_q)
    torch.testing.assert_close(annealed_log_weight(terms, 0.0, "kl"), terms.log_likelihood)
    torch.testing.assert_close(
        annealed_log_weight(terms, 0.25, "energy"),
        0.25 * (terms.log_likelihood + terms.log_prior) - terms.log_q,
    )


def test_beta_rises_to_one_and_stays():
    betas = [annealing_beta(step, 0.01, 10_000) for step in (0, 5_000, 9_999, 10_000, 10**6)]
    assert betas == pytest.approx([0.01, 0.505, 0.999901, 1, 1])
