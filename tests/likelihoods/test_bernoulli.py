"""Bernoulli pixels: values against torch's cross-entropy, gradients against finite differences."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from nfvae.likelihoods import Bernoulli

SHAPE = (2, 5, 5)
likelihood = Bernoulli()


@pytest.fixture
def logits_and_bits():
    logits = torch.randn(7, *SHAPE, dtype=torch.float64) * 10
    return logits, (torch.rand(7, *SHAPE) < 0.5).double()


def finite_difference(function, x, h=1e-6):
    """The gradient of a scalar function by central differences, entry by entry."""
    gradient = torch.empty_like(x)
    for index in range(x.numel()):
        step = torch.zeros_like(x).view(-1)
        step[index] = h
        step = step.view_as(x)
        gradient.view(-1)[index] = (function(x + step) - function(x - step)) / (2 * h)
    return gradient


def test_equals_torchs_cross_entropy(logits_and_bits):
    logits, x = logits_and_bits
    expected = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum((-3, -2, -1))
    torch.testing.assert_close(likelihood.log_prob(logits, x), expected, rtol=1e-13, atol=0)


def test_one_image_serves_many_samples(logits_and_bits):
    logits, x = logits_and_bits
    samples = torch.stack([logits, logits / 5, -logits])
    together = likelihood.log_prob(samples, x)
    assert together.shape == (3, 7)
    torch.testing.assert_close(together[1], likelihood.log_prob(logits / 5, x))


def test_gradients_in_logits_and_in_x_are_finite_differences(logits_and_bits):
    logits, x = logits_and_bits
    logits = torch.stack([logits, logits / 5])[:, :2].requires_grad_()
    x = x[:2].clone().requires_grad_()
    weights = torch.randn(2, 2, dtype=torch.float64)  # another incoming gradient for each entry

    def total(logits, x):
        return (weights * likelihood.log_prob(logits, x)).sum()

    by_logits, by_x = torch.autograd.grad(total(logits, x), (logits, x))
    logits, x = logits.detach(), x.detach()
    expected = finite_difference(lambda logits: total(logits, x), logits)
    torch.testing.assert_close(by_logits, expected, rtol=1e-6, atol=1e-6)
    expected = finite_difference(lambda x: total(logits, x), x)
    torch.testing.assert_close(by_x, expected, rtol=1e-6, atol=1e-6)


def test_gradcheck(logits_and_bits):
    logits, x = (tensor[:2].requires_grad_() for tensor in logits_and_bits)
    assert torch.autograd.gradcheck(likelihood.log_prob, (torch.stack([logits, logits / 5]), x))


def test_no_second_derivative(logits_and_bits):
    logits, x = logits_and_bits
    logits.requires_grad_()
    with pytest.raises(
        RuntimeError, match=r"^the Bernoulli likelihood is differentiable once"
    ) as e:
        torch.autograd.grad(likelihood.log_prob(logits, x).sum(), logits, create_graph=True)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.jacrev])
def test_torch_func_is_refused_in_one_line(logits_and_bits, transform):
    logits, x = logits_and_bits
    with pytest.raises(RuntimeError, match="the Bernoulli likelihood works under backward") as e:
        transform(lambda logits: likelihood.log_prob(logits, x).sum())(logits)
    assert "\n" not in str(e.value)


def test_sums_to_one_over_all_images():
    logits = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    total = likelihood.log_prob(logits.expand(8, 3).view(8, 3, 1, 1), images.view(8, 3, 1, 1))
    assert total.exp().sum().item() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_values_of_a_pixel_sum_to_one_at_extreme_logits(dtype):
    logits = torch.tensor([-1e4, -88.0, -20.0, 20.0, 88.0, 1e4], dtype=dtype).view(-1, 1, 1, 1)
    log_mass = torch.stack(
        [likelihood.log_prob(logits, torch.full_like(logits, x)) for x in (0, 1)]
    )
    assert log_mass.isfinite().all()
    total = log_mass.double().exp().sum(0)
    atol = 1e-7 if dtype == torch.float32 else 1e-15
    torch.testing.assert_close(total, torch.ones_like(total), atol=atol, rtol=0)


def test_finite_and_exact_at_saturated_float32_logits():
    logits = torch.tensor([200.0, -200.0]).view(1, 1, 1, 2).requires_grad_()
    right = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert likelihood.log_prob(logits, right).item() == 0
    assert likelihood.log_prob(logits, 1 - right).item() == -400
    (grad,) = torch.autograd.grad(likelihood.log_prob(logits, 1 - right).sum(), logits)
    assert grad.flatten().tolist() == [-1.0, 1.0]


def test_mean_and_samples_have_the_probabilities_of_the_logits():
    logits = torch.linspace(-4, 4, 25).view(1, 5, 5)
    p = 1 / (1 + torch.exp(-logits))
    torch.testing.assert_close(likelihood.mean(logits), p)
    n = 20_000
    samples = likelihood.sample(logits.expand(n, 1, 5, 5), torch.Generator().manual_seed(0))
    assert set(samples.unique().tolist()) == {0, 1}
    z = (samples.mean(0) - p) / (p * (1 - p) / n).sqrt()
    assert z.abs().max() < 5
    again = likelihood.sample(logits.expand(n, 1, 5, 5), torch.Generator().manual_seed(0))
    assert torch.equal(samples, again)


def test_initial_parameters_are_of_the_mean():
    mean = torch.rand(SHAPE) * 0.98 + 0.01
    torch.testing.assert_close(likelihood.mean(likelihood.initial_parameters(mean)), mean)


@pytest.mark.parametrize(
    "x",
    [
        torch.full((2, *SHAPE), 0.5),
        torch.full((2, *SHAPE), 255.0),
        torch.full((2, *SHAPE), -1.0),
        torch.full((2, *SHAPE), torch.nan),
    ],
    ids=["grey", "255", "negative", "nan"],
)
def test_other_values_than_bits_are_refused(x):
    with pytest.raises(ValueError, match="pixels that are 0 or 1") as caught:
        likelihood.check(x)
    assert "\n" not in str(caught.value)


def test_bits_and_an_empty_batch_pass(logits_and_bits):
    likelihood.check(logits_and_bits[1])
    likelihood.check(torch.empty(0, *SHAPE))
    assert likelihood.log_prob(torch.empty(3, 0, *SHAPE), torch.empty(0, *SHAPE)).shape == (3, 0)
