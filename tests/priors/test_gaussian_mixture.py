"""The mixture prior: density, draws, its start, and that it learns."""

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from nfvae.data import Dataset, Split
from nfvae.flows import Planar
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.priors import PRIORS, GaussianMixture, StandardNormal
from nfvae.training import fit
from nfvae.vae import VAE


@pytest.fixture
def prior():
    """Far from its start."""
    made = GaussianMixture(2, num_components=3).double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight))
    return made


def test_density_is_torchs(prior):
    components = Independent(Normal(prior.loc, prior.log_scale.exp()), 1)
    expected = MixtureSameFamily(Categorical(logits=prior.logits), components)
    z = 3 * torch.randn(4, 5, 2, dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob(z), expected.log_prob(z))


def test_density_integrates_to_one(prior):
    axis = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    assert prior.log_prob(z).exp().sum().item() * 0.05**2 == pytest.approx(1, abs=1e-6)


def test_draws_have_the_density(prior):
    """E[log p] by draws against the same integral on a grid."""
    z = prior.sample(100_000, torch.Generator().manual_seed(0)).detach()
    axis = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    log_p = prior.log_prob(torch.cartesian_prod(axis, axis)).detach()
    expected = (log_p.exp() * log_p).sum() * 0.05**2
    drawn = prior.log_prob(z).detach()
    assert drawn.mean() == pytest.approx(expected.item(), abs=5 * drawn.std().item() / 100_000**0.5)


def test_it_starts_near_the_standard_normal():
    z = GaussianMixture(3, num_components=500).sample(50_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.1, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3), atol=0.1, rtol=0)


def test_far_from_every_component_it_is_finite(prior):
    z = torch.full((1, 2), 1e4, dtype=torch.float64, requires_grad=True)
    log_p = prior.log_prob(z)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert z.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in prior.parameters())


def test_it_is_trained_with_the_decoder():
    images = (255 * torch.randint(2, (60, 1, 4, 4))).byte()
    splits = [Split(part, None) for part in images.split([40, 10, 10])]
    data = Dataset("noise", *splits, binarization="fixed", digest="")
    encoder, decoder = mlp((1, 4, 4), 2, hidden=[8])
    vae = VAE(encoder, Planar(2, 1), decoder, Bernoulli(), GaussianMixture(2, num_components=4))
    generative = {id(weight) for weight in vae.generative_parameters()}
    assert all(id(weight) in generative for weight in vae.prior.parameters())
    before = {name: weight.detach().clone() for name, weight in vae.prior.named_parameters()}
    fit(vae, data, num_steps=20, batch_size=20)
    assert all(not torch.equal(before[name], w) for name, w in vae.prior.named_parameters())


@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_by_name(name):
    prior = PRIORS[name](5)
    z = prior.sample(7, torch.Generator().manual_seed(0))
    assert z.shape == (7, 5)
    assert prior.log_prob(z.view(7, 1, 5)).shape == (7, 1)
    assert torch.equal(z, prior.sample(7, torch.Generator().manual_seed(0)))


def test_the_default_has_no_weights():
    assert not list(StandardNormal(3).parameters())
