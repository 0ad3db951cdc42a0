"""A user's encoder and decoder, one class each, in a VAE."""

import pytest
import torch
from torch import nn

from nfvae.data import Dataset, Split
from nfvae.evaluation import nll
from nfvae.flows import Planar
from nfvae.likelihoods import Bernoulli
from nfvae.networks import Decoder, Encoder
from nfvae.training import fit
from nfvae.vae import VAE


class ConvEncoder(Encoder):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, kernel_size=3, stride=2, padding=1)
        self.num_features = 8 * 4 * 4

    def forward(self, x):
        return self.conv(x).relu().flatten(1)


class ConvDecoder(Decoder):
    def __init__(self, latent_dim, channels):
        super().__init__()
        self.image_shape = (channels, 8, 8)
        self.linear = nn.Linear(latent_dim, 8 * 4 * 4)
        self.conv = nn.ConvTranspose2d(8, channels, kernel_size=4, stride=2, padding=1)
        self.bias = nn.Parameter(torch.zeros(channels, 8, 8))

    def forward(self, z):
        h = self.linear(z).relu().view(-1, 8, 4, 4)
        return self.conv(h).unflatten(0, z.shape[:-1]) + self.bias

    def set_output_bias(self, parameters):
        self.bias.data.copy_(parameters)


@pytest.fixture
def stripes() -> Dataset:
    """Images of two channels with horizontal or vertical stripes: one bit of structure."""
    rows = (torch.arange(8) % 2).expand(8, 8)
    kinds = torch.stack([rows, rows.T])[torch.randint(2, (400,))]
    images = (255 * kinds[:, None]).expand(400, 2, 8, 8).byte().contiguous()
    splits = [Split(part, None, dynamic=False) for part in images.split([300, 50, 50])]
    return Dataset("stripes", *splits, binarization="fixed", digest="")


def test_a_convolutional_pair_learns(stripes):
    vae = VAE(ConvEncoder(2), Planar(3, 2), ConvDecoder(3, 2), Bernoulli())
    vae.initialize_output(stripes.train.mean())
    x = next(stripes.test.batches(50))
    before = nll(vae, x, 50).mean()
    fit(vae, stripes, num_steps=300, batch_size=50)
    after = nll(vae, x, 50).mean()
    assert before > 40  # half of the 128 pixels are uncertain, log 2 nats each
    assert after < 20
    assert vae.sample(7).shape == (7, 2, 8, 8)


def test_it_starts_at_the_mean_image(stripes):
    vae = VAE(ConvEncoder(2), Planar(3, 2), ConvDecoder(3, 2), Bernoulli())
    nn.init.zeros_(vae.decoder.conv.weight)
    nn.init.zeros_(vae.decoder.conv.bias)
    vae.initialize_output(stripes.train.mean())
    torch.testing.assert_close(vae.mean(torch.randn(2, 5, 3))[1, 4], stripes.train.mean())


def test_an_encoder_without_forward_is_refused():
    class Unfinished(Encoder):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?forward"):
        Unfinished()
