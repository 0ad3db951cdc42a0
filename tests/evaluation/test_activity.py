import torch

from nfvae.evaluation.activity import ACTIVE, activity, unit_activity


def test_noise_of_the_draws_cancels():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(5000, 3, generator=generator) * torch.tensor([1.0, 0.2, 0.0])
    z = mean + torch.randn(8, 5000, 3, generator=generator)
    found = activity(z.unflatten(0, (2, 4)).mean(1).double())
    assert torch.allclose(found, torch.tensor([1.0, 0.04, 0.0]).double(), atol=0.03)
    assert z.mean(0).var(0)[2] > 10 * ACTIVE  # what the plain variance would take for active


def test_a_unit_that_the_encoder_ignores_is_not_active(tiny_vae):
    vae = tiny_vae("none", dim=2, num_transforms=0)
    with torch.no_grad():
        vae.head.weight[1] = 0  # loc of the second unit
    x = torch.bernoulli(torch.full((2000, 1, 4, 5), 0.5)).double()
    first, second = unit_activity(vae, x, torch.Generator().manual_seed(0))
    assert first > ACTIVE > abs(second)


def test_the_scatter_of_an_unused_unit_is_as_documented(tiny_vae):
    """Its standard deviation is 2 / (S √N)."""
    vae = tiny_vae("none", dim=200, num_transforms=0)
    with torch.no_grad():
        vae.head.weight.zero_()
        vae.head.bias.zero_()
    found = unit_activity(
        vae, torch.zeros(500, 1, 4, 5).double(), torch.Generator().manual_seed(0), 4
    )
    expected = 2 / (4 * 500**0.5)
    assert abs(found.mean()) < 4 * expected / 200**0.5
    assert 0.8 < found.std() / expected < 1.25
