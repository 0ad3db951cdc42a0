"""The networks around the flow, and images from the prior."""

import pytest
import torch

from nfvae.flows import FLOWS
from nfvae.networks import mlp
from nfvae.vae import VAE

FORMULAS = {
    "silu": lambda a: a * a.sigmoid(),
    "relu": lambda a: a.clamp(min=0),
    "gated": lambda a: a[:, : a.shape[1] // 2] * a[:, a.shape[1] // 2 :].sigmoid(),
}


@pytest.mark.parametrize("activation", FORMULAS)
def test_hidden_layers_are_their_formula(activation):
    layers = mlp(5, [4, 3], activation)
    first, _, second, _ = layers
    x = torch.randn(7, 5)
    h = FORMULAS[activation](x @ first.weight.T + first.bias)
    h = FORMULAS[activation](h @ second.weight.T + second.bias)
    assert h.shape == (7, 3)
    torch.testing.assert_close(layers(x), h)


@pytest.mark.parametrize("flow", ["none", "planar"])
def test_new_images_are_of_the_prior_without_the_flow(tiny_vae, flow):
    vae = tiny_vae(flow, num_transforms=0 if flow == "none" else 4)
    images = vae.generate(6, torch.Generator().manual_seed(3))
    z = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(images, vae.decode(z).sigmoid())
    assert not images.requires_grad


def test_a_decoder_that_says_nothing_gives_the_pixel_means():
    mean = torch.linspace(0.05, 0.95, 20)
    vae = VAE(FLOWS["none"](2, 0), mean, hidden=[16])
    with torch.no_grad():
        vae.output.weight.zero_()
    torch.testing.assert_close(vae.decode(torch.randn(3, 2)).sigmoid(), mean.expand(3, 20))
