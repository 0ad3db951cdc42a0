import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from nfvae.likelihoods.bernoulli import bernoulli_log_likelihood


@pytest.fixture
def logits_and_bits():
    torch.manual_seed(0)
    logits = torch.randn(7, 50, dtype=torch.float64) * 10
    return logits, (torch.rand(7, 50) < 0.5).double()


def test_equals_torchs_cross_entropy(logits_and_bits):
    logits, x = logits_and_bits
    expected = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    torch.testing.assert_close(bernoulli_log_likelihood(logits, x), expected, rtol=1e-13, atol=0)


def test_gradcheck_with_samples_in_front(logits_and_bits):
    logits, x = logits_and_bits
    samples = torch.stack([logits, logits / 5]).requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: bernoulli_log_likelihood(logits, x), samples)


def test_sums_to_one_over_all_images():
    logits = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    total = bernoulli_log_likelihood(logits.expand(8, 3), images).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-14)


def test_finite_and_exact_at_saturated_float32_logits():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert bernoulli_log_likelihood(logits, right).item() == 0
    assert bernoulli_log_likelihood(logits, wrong).item() == -400
    (grad,) = torch.autograd.grad(bernoulli_log_likelihood(logits, wrong).sum(), logits)
    assert grad.tolist() == [[-1.0, 1.0]]
