"""−log p(x) and −ELBO against quadrature in two latent dimensions, and against each other."""

import sys

import pytest
import torch

from nfvae.evaluation import nll
from nfvae.evaluation.nll import log_evidence
from nfvae.grid import Grid
from nfvae.objective import elbo, elbo_terms
from nfvae.priors import log_standard_normal

FLOWS = [("none", 0), ("planar", 4), ("radial", 4)]


@pytest.fixture
def images():
    torch.manual_seed(1)
    return (torch.rand(10, 1, 4, 5) < 0.4).double()


def plane(n, batch):
    """Points [n², B, 2] of a square far wider than q and p(z|x), and log of a cell's area."""
    grid = Grid.square(9.0, n)
    return grid.points.flatten(0, 1).unsqueeze(1).expand(-1, batch, -1), grid.log_cell


def log_joint(vae, z, x):
    return vae.log_likelihood(z, x) + log_standard_normal(z)


def train(vae, images, steps=300):
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        (-elbo(vae, images, 8).mean()).backward()
        optimizer.step()


@pytest.mark.slow
@pytest.mark.parametrize(("flow", "num_transforms"), FLOWS)
def test_nll_agrees_with_quadrature(tiny_vae, images, flow, num_transforms):
    vae = tiny_vae(flow, num_transforms=num_transforms)
    train(vae, images)  # importance sampling is as good as its proposal
    with torch.inference_mode():
        z, log_cell = plane(120, len(images))
        exact = -(log_joint(vae, z, images).logsumexp(0) + log_cell)
    estimate = nll(vae, images, 100_000, torch.Generator().manual_seed(0))
    assert estimate.mean().item() == pytest.approx(exact.mean().item(), abs=0.01)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize(("flow", "num_transforms"), FLOWS)
def test_elbo_agrees_with_quadrature(tiny_vae, images, flow, num_transforms):
    """E_q[log p(x, z) − log q(z|x)], with log q(z|x) on the plane by the flow's inverse."""
    vae = tiny_vae(flow, num_transforms=num_transforms)
    train(vae, images)  # before, q is narrower than a cell for some images
    images = images[:4]
    with torch.inference_mode():
        z, log_cell = plane(240, len(images))
        log_q = vae.posterior(images).log_prob(z)
        q = (log_q + log_cell).exp()
        exact = (q * (log_joint(vae, z, images) - log_q)).sum(0)
        torch.testing.assert_close(q.sum(0), torch.ones(4).double(), rtol=0, atol=1e-4)
        draw = vae.posterior(images).draw((20_000,), torch.Generator().manual_seed(0))
        error = elbo_terms(vae, images, draw).log_weight.std(0) / 20_000**0.5
        estimate = elbo(vae, images, 20_000, torch.Generator().manual_seed(1))
    assert ((estimate - exact).abs() < 5 * error + 1e-3).all()


@pytest.mark.parametrize("flow", ["planar", "radial"])
def test_nll_of_one_sample_is_minus_elbo_in_expectation(tiny_vae, images, flow):
    vae, n = tiny_vae(flow), 20_000
    many = images[:3].repeat(n, 1, 1, 1)
    of_one = nll(vae, many, 1, torch.Generator().manual_seed(0)).view(n, 3)
    with torch.inference_mode():
        bound = elbo(vae, images[:3], n, torch.Generator().manual_seed(1))
    error = (2 / n) ** 0.5 * of_one.std(0)
    assert ((of_one.mean(0) + bound).abs() < 5 * error).all()
    # With the same noise they are the same numbers.
    with torch.inference_mode():
        same = elbo(vae, many, 1, torch.Generator().manual_seed(0)).view(n, 3)
    torch.testing.assert_close(of_one, -same)


def test_more_samples_lower_the_nll(tiny_vae, images):
    """In expectation, towards −log p(x) (Burda et al. 2016, theorem 1)."""
    vae = tiny_vae()
    many = images[:2].repeat(500, 1, 1, 1)
    means = [nll(vae, many, s, torch.Generator().manual_seed(s)).mean() for s in (1, 10, 100)]
    assert means[0] > means[1] > means[2]


def test_the_nll_of_an_image_does_not_depend_on_its_batch(tiny_vae, images):
    """In expectation: its noise is another, depending on the batch."""
    vae = tiny_vae().requires_grad_(False)
    repeats = range(200)
    alone = torch.stack(
        [nll(vae, images[:1], 20, torch.Generator().manual_seed(i)) for i in repeats]
    )
    among = torch.stack(
        [nll(vae, images, 20, torch.Generator().manual_seed(1000 + i))[:1] for i in repeats]
    )
    turned = torch.stack(
        [
            nll(vae, images.flip(0), 20, torch.Generator().manual_seed(2000 + i))[-1:]
            for i in repeats
        ]
    )
    error = (2 / len(repeats)) ** 0.5 * alone.std()
    assert error < 0.2
    assert abs(alone.mean() - among.mean()) < 5 * error
    assert abs(among.mean() - turned.mean()) < 5 * error


def test_portions_make_one_estimate(tiny_vae, images, monkeypatch):
    """The running log-sum over portions is that of all samples at once."""
    vae = tiny_vae()
    weights = []
    monkeypatch.setattr(
        sys.modules["nfvae.evaluation.nll"],  # as an attribute, `nll` is the function
        "elbo_terms",
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
    nll(vae, images, 5000, torch.Generator())
    assert len(calls) == 1


def test_it_is_float64_without_gradient_and_follows_the_generator(tiny_vae, images):
    vae = tiny_vae().float()
    first, second = (
        nll(vae, images.float(), 7, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert first.dtype == torch.float64
    assert not first.requires_grad
    assert torch.equal(first, second)
