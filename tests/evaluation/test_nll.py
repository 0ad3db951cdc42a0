import pytest
import torch
from torch.distributions import Normal, kl_divergence

from nfvae.data import Split
from nfvae.evaluation import estimate_elbo, estimate_nll
from nfvae.evaluation.nll import log_evidence
from nfvae.flows import FLOWS
from nfvae.likelihoods.bernoulli import bernoulli_log_likelihood
from nfvae.objective import elbo_terms
from nfvae.posterior import log_standard_normal
from nfvae.vae import VAE


@pytest.fixture
def images():
    torch.manual_seed(1)
    return (torch.rand(10, 20) < 0.4).double()


def log_evidence_by_quadrature(vae, x):
    """log ∫ p(x|z) N(z) dz over a grid far wider and finer than anything in it: D = 2."""
    axis = torch.linspace(-9, 9, 121, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis).unsqueeze(1)
    log_joint = bernoulli_log_likelihood(
        vae.decode(z).expand(-1, len(x), -1), x
    ) + log_standard_normal(z)
    return log_joint.logsumexp(0) + 2 * (axis[1] - axis[0]).log()


@pytest.mark.parametrize(("flow", "num_transforms"), [("none", 0), ("planar", 4), ("radial", 4)])
def test_nll_agrees_with_quadrature(tiny_vae, images, flow, num_transforms):
    vae = tiny_vae(flow, num_transforms=num_transforms)
    train(vae, images)  # importance sampling is as good as its proposal
    with torch.inference_mode():
        exact = log_evidence_by_quadrature(vae, images)
        estimate = log_evidence(vae, images, 100_000, torch.Generator().manual_seed(0))
    assert estimate.mean().item() == pytest.approx(exact.mean().item(), abs=0.01)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.1)


def train(vae, images, steps=150):
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        draw = vae.posterior(images).draw((8,))
        (-elbo_terms(vae, images, draw).log_weight.mean()).backward()
        optimizer.step()


def test_portions_make_one_estimate(tiny_vae, images, monkeypatch):
    """The running log-sum over portions is that of all samples at once."""
    vae = tiny_vae()
    weights = []
    monkeypatch.setattr(
        "nfvae.evaluation.nll.elbo_terms",
        lambda *args: weights.append(elbo_terms(*args)) or weights[-1],
    )
    estimate = log_evidence(vae, images, 1001, torch.Generator().manual_seed(0))
    together = torch.cat([terms.log_weight for terms in weights])
    assert len(weights) > 1
    assert together.shape == (1001, 10)
    expected = together.logsumexp(0) - torch.tensor(1001.0).log()
    torch.testing.assert_close(estimate, expected, check_dtype=False, rtol=1e-6, atol=1e-6)


def test_images_are_encoded_once(tiny_vae, images):
    vae = tiny_vae()
    calls = []
    vae.encoder.register_forward_hook(lambda *_: calls.append(1))
    log_evidence(vae, images, 5000, torch.Generator())
    assert len(calls) == 1


@pytest.mark.parametrize("flow", ["planar", "radial"])
def test_estimates_are_means_over_images_with_their_errors(tiny_vae, images, flow):
    vae = tiny_vae(flow).float()
    split = Split((images * 255).byte(), None, redrawn=False)
    estimate = estimate_elbo(vae, split, 7, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        posterior = vae.posterior(images.float())
        draw = posterior.draw((7,), torch.Generator().manual_seed(0))
        terms = elbo_terms(vae, images.float(), draw)
        nlls = -log_evidence(vae, images.float(), 50, torch.Generator().manual_seed(0))
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
    split = Split((images * 255).byte(), None, redrawn=False)
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
    vae = VAE(FLOWS["none"](40), torch.full((20,), 0.5), hidden=[16])
    with torch.no_grad():
        vae.head.weight.zero_()
        vae.head.bias.zero_()
        vae.head.weight[:2].normal_()  # only two units see x
    pixels = (torch.rand(10_000, 20) < 0.5).byte() * 255
    generator = torch.Generator().manual_seed(0)
    assert estimate_elbo(vae, Split(pixels, None, False), draws, generator).active_units == 2
