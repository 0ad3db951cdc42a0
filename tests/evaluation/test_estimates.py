"""Means over a split, with their standard errors and active units."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from nfvae.data import Split
from nfvae.evaluation import estimate_elbo, estimate_nll
from nfvae.evaluation.nll import log_evidence
from nfvae.flows import Identity
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.objective import elbo_terms
from nfvae.vae import VAE


@pytest.fixture
def images():
    torch.manual_seed(1)
    return (torch.rand(10, 1, 4, 5) < 0.4).double()


def of_first_batch(seed=0):
    """The generator that an estimate with this seed uses for its first batch."""
    first = torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(seed))
    return torch.Generator().manual_seed(first.item())


@pytest.mark.parametrize("flow", ["planar", "radial"])
def test_estimates_are_means_over_images_with_their_errors(tiny_vae, images, flow):
    vae = tiny_vae(flow).float()
    split = Split((images * 255).byte(), None, dynamic=False)
    estimate = estimate_elbo(vae, split, 7, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        posterior = vae.posterior(images.float())
        draw = posterior.draw((7,), of_first_batch())
        terms = elbo_terms(vae, images.float(), draw)
        nlls = -log_evidence(vae, images.float(), 50, of_first_batch())
    bounds = -(terms.log_likelihood + terms.log_prior - terms.log_q0 + terms.log_det).mean(0)
    assert estimate.neg_elbo == pytest.approx(bounds.mean().item(), rel=1e-5)
    assert estimate.neg_elbo_se == pytest.approx(bounds.std().item() / 10**0.5, rel=1e-4)
    assert estimate.distortion == pytest.approx(-terms.log_likelihood.mean().item(), rel=1e-5)
    assert estimate.sum_log_det == pytest.approx(terms.log_det.mean().item(), rel=1e-5)
    kl = (terms.log_q0 - terms.log_det - terms.log_prior).mean().item()
    assert estimate.kl == pytest.approx(kl, rel=1e-4)
    nll = estimate_nll(vae, split, 50, torch.Generator().manual_seed(0))
    assert nll.nll == pytest.approx(nlls.mean().item(), rel=1e-6)
    assert nll.nll_se == pytest.approx(nlls.std().item() / 10**0.5, rel=1e-6)
    assert nll.num_importance_samples == 50


def test_elbo_estimate_terms(tiny_vae, images):
    vae = tiny_vae("none", num_transforms=0)
    split = Split((images * 255).byte(), None, dynamic=False)
    vae = vae.float()
    estimate = estimate_elbo(vae, split, 2000, torch.Generator().manual_seed(0))
    q = vae.posterior(images.float())
    q0, prior = Normal(q.loc, q.log_scale.exp()), Normal(torch.zeros_like(q.loc), 1.0)
    kl = kl_divergence(q0, prior).sum(-1).mean().item()
    assert estimate.kl == pytest.approx(kl, abs=5 * monte_carlo_error(vae, images))
    assert estimate.neg_elbo == pytest.approx(estimate.distortion + estimate.kl, abs=1e-4)
    assert estimate.sum_log_det == 0
    nll = estimate_nll(vae, split, 2000, torch.Generator().manual_seed(0))
    assert nll.nll < estimate.neg_elbo


def monte_carlo_error(vae, images, draws=2000):
    kl = elbo_terms(vae, images.float(), vae.posterior(images.float()).draw((draws,))).kl
    return (kl.var(0).sum() / draws).sqrt().item() / len(images)


@pytest.mark.parametrize("draws", [1, 2, 10])
def test_active_units_ignore_the_noise_of_few_draws(draws):
    """Var_x of a mean of 10 standard normal draws is 0.1, ten times the threshold."""
    torch.manual_seed(0)
    encoder, decoder = mlp((1, 4, 5), 40, hidden=[16])
    vae = VAE(encoder, Identity(40), decoder, Bernoulli())
    with torch.no_grad():
        vae.head.weight.zero_()
        vae.head.bias.zero_()
        vae.head.weight[:2].normal_()  # only two units see x
    pixels = (torch.rand(10_000, 1, 4, 5) < 0.5).byte() * 255
    generator = torch.Generator().manual_seed(0)
    assert (
        estimate_elbo(vae, Split(pixels, None, dynamic=False), draws, generator).active_units == 2
    )


@pytest.mark.parametrize("estimate", [estimate_elbo, estimate_nll])
def test_dynamic_splits_are_refused(tiny_vae, images, estimate):
    split = Split((images * 255).byte(), None, dynamic=True)
    with pytest.raises(ValueError, match="dynamically binarized"):
        estimate(tiny_vae(), split, 2, torch.Generator())


def test_rows_are_counted(tiny_vae, images):
    split = Split((images * 255).byte(), None, dynamic=False)
    for estimate in (estimate_elbo, estimate_nll):
        rows = []
        estimate(tiny_vae().float(), split, 300, torch.Generator(), rows.append)
        assert sum(rows) == 3000
        assert len(rows) > 1


def test_few_draws_do_not_change_the_bound_by_counting_units(tiny_vae, images):
    """Active units take more samples, from a stream of their own."""
    vae = tiny_vae().float()
    split = Split((images * 255).byte(), None, dynamic=False)
    estimate = estimate_elbo(vae, split, 1, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        draw = vae.posterior(images.float()).draw((1,), of_first_batch())
        log_weight = elbo_terms(vae, images.float(), draw).log_weight
    assert estimate.neg_elbo == pytest.approx(-log_weight.mean().item(), rel=1e-6)
