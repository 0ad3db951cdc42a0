"""N(0, I): its density, its samples, and where it takes its dtype from."""

import torch
from torch.distributions import Independent, Normal

from nfvae.priors import StandardNormal


def test_density_is_torchs():
    z = 3 * torch.randn(4, 5, 3, dtype=torch.float64)
    expected = Independent(Normal(torch.zeros(3).double(), 1.0), 1).log_prob(z)
    torch.testing.assert_close(StandardNormal(3).log_prob(z), expected)


def test_samples_are_standard_normal():
    n = 100_000
    z = StandardNormal(3).sample(n, torch.Generator().manual_seed(0))
    assert z.shape == (n, 3)
    assert (z.mean(0).abs() < 5 / n**0.5).all()
    assert ((torch.cov(z.T) - torch.eye(3)).abs() < 5 * (2 / n) ** 0.5).all()


def test_samples_follow_the_models_dtype_and_the_generator():
    prior = StandardNormal(2).double()
    first = prior.sample(5, torch.Generator().manual_seed(1))
    assert first.dtype == torch.float64
    assert torch.equal(first, prior.sample(5, torch.Generator().manual_seed(1)))


def test_it_adds_nothing_to_a_checkpoint():
    assert not StandardNormal(2).state_dict()
