"""β and free bits: their definition, their gradients, and that only training sees them."""

import pytest
import torch

from nfvae.evaluation import estimate_elbo, nll
from nfvae.objective import ElboTerms, Objective, elbo_terms, importance_weighted


@pytest.fixture
def terms() -> ElboTerms:
    """KL of 2, 4 and 9 nats: 5 on average."""
    log_likelihood, log_prior = torch.tensor([[-80.0, -90.0, -100.0]]), torch.zeros(1, 3)
    return ElboTerms(log_likelihood, log_prior, torch.tensor([[2.0, 4.0, 9.0]]), torch.zeros(1, 3))


def test_beta_weights_the_kl(terms):
    assert Objective(beta=4.0).loss(terms, 0) == pytest.approx(90 + 4 * 5)
    assert Objective(beta=0.0).loss(terms, 0) == pytest.approx(90)
    annealed = Objective(annealing="kl", annealing_start=0.5, annealing_steps=10, beta=4.0)
    assert annealed.loss(terms, 0) == pytest.approx(90 + 2 * 5)
    assert annealed.loss(terms, 10) == pytest.approx(90 + 4 * 5)


def test_free_bits_are_the_kl_that_costs_nothing(terms):
    assert Objective(free_bits=4.0).loss(terms, 0) == pytest.approx(90 + 5)
    assert Objective(free_bits=6.0).loss(terms, 0) == pytest.approx(90 + 6)
    assert Objective(free_bits=6.0, beta=0.5).loss(terms, 0) == pytest.approx(90 + 3)


def test_below_the_free_bits_the_kl_has_no_gradient(terms):
    for free_bits, expected in ((4.0, 1 / 3), (6.0, 0.0)):
        log_q0 = terms.log_q0.clone().requires_grad_()
        loss = Objective(free_bits=free_bits).loss(terms._replace(log_q0=log_q0), 0)
        (gradient,) = torch.autograd.grad(loss, log_q0)
        torch.testing.assert_close(gradient, torch.full((1, 3), expected))


def test_the_defaults_are_the_bound_to_the_bit(tiny_vae):
    vae, x = tiny_vae(), (torch.rand(6, 1, 4, 5) < 0.4).double()
    terms = elbo_terms(vae, x, vae.posterior(x).draw((3,)))
    expected = -importance_weighted(terms.log_likelihood - 1.0 * terms.kl).mean()
    assert torch.equal(Objective(3).loss(terms, 0), expected)
    assert Objective().is_bound
    assert Objective(annealing="kl").is_bound
    assert not Objective(beta=1.5).is_bound
    assert not Objective(free_bits=0.1).is_bound


def test_bounds_without_a_kl_term_take_no_weights():
    with pytest.raises(ValueError, match="annealing=energy does not"):
        Objective(annealing="energy", beta=2.0)
    with pytest.raises(ValueError, match="annealing=energy does not"):
        Objective(annealing="energy", free_bits=2.0)
    with pytest.raises(ValueError, match="needs num_samples=1"):
        Objective(num_samples=2, free_bits=2.0)


def test_measuring_is_in_evaluation_mode_and_leaves_each_part_as_it_was():
    from nfvae.data import Split
    from nfvae.flows import Planar
    from nfvae.likelihoods import Bernoulli
    from nfvae.networks import mlp
    from nfvae.vae import VAE

    encoder, decoder = mlp((1, 4, 4), 2, hidden=[50], dropout=0.5)
    vae = VAE(encoder, Planar(2, 2), decoder, Bernoulli())
    encoder.eval()
    split = Split((255 * torch.randint(2, (30, 1, 4, 4))).byte())
    x = next(split.batches(30))

    def measured():
        generator = torch.Generator().manual_seed(0)
        one = estimate_elbo(vae, split, 2, generator).neg_elbo
        return one, nll(vae, x, 5, generator).tolist()

    first = measured()
    assert decoder.training
    assert not encoder.training
    assert measured() == first
    vae.eval()
    assert measured() == first
    assert not any(module.training for module in vae.modules())
