"""Convolutional and residual networks: size by hand, any image size, leading axes, the start."""

from functools import partial

import pytest
import torch

from nfvae.data import load_dataset
from nfvae.flows import OrthogonalSylvester, Planar
from nfvae.likelihoods import Bernoulli, Categorical
from nfvae.networks import NETWORKS, gated_conv, mlp, resnet
from nfvae.networks.resnet import ResidualBlock
from nfvae.objective import elbo_terms
from nfvae.training import fit
from nfvae.vae import VAE

SMALL = {
    "mlp": {"hidden": [16]},
    "gated_conv": {"channels": 2, "features": 8},
    "resnet": {"channels": [4, 8], "features": 8},
}
every = pytest.mark.parametrize("name", NETWORKS)
SIZES = [(1, 28, 28), (1, 28, 20), (3, 8, 12), (2, 5, 7), (1, 4, 4), (1, 1, 1), (1, 9, 30)]


def num_weights(network):
    return sum(weight.numel() for weight in network.parameters())


def gated(inputs, outputs, kernel):
    """Weights of conv(x) · σ(conv′(x)): two convolutions with biases."""
    return 2 * (inputs * outputs * kernel**2 + outputs)


def test_gated_conv_has_the_parameters_of_the_sylvester_networks():
    """(in, out, kernel) of each layer: van den Berg et al. 2018, 28×28 images, 64 latents."""
    encoder, decoder = gated_conv((1, 28, 28), latent_dim=64)
    layers = [(1, 32, 5), (32, 32, 5), (32, 64, 5), (64, 64, 5), (64, 64, 5), (64, 256, 7)]
    assert num_weights(encoder) == sum(gated(*layer) for layer in layers) == 2_171_456
    layers = [(64, 64, 7), (64, 64, 5), (64, 32, 5), (32, 32, 5), (32, 32, 5), (32, 32, 5)]
    assert num_weights(decoder) == sum(gated(*layer) for layer in layers) + 32 + 1 == 862_753
    assert encoder.num_features == 256


def test_one_head_on_256_features_gives_the_posterior():
    flow = OrthogonalSylvester(64, 4, num_vectors=16)
    vae = VAE(*reordered(gated_conv((1, 28, 28), 64), flow), Bernoulli())
    head = (256 + 1) * (2 * 64 + flow.param_size)
    assert num_weights(vae) == 2_171_456 + 862_753 + head


def reordered(networks, flow):
    return networks.encoder, flow, networks.decoder


@every
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("p", [1, 2])
def test_any_image_size_and_any_leading_axes(name, shape, p):
    channels, height, width = shape
    encoder, decoder = NETWORKS[name](shape, 3, channels * p, **SMALL[name])
    assert decoder.image_shape == shape
    features = encoder(torch.rand(5, *shape))
    assert features.shape == (5, encoder.num_features)
    z = torch.randn(2, 4, 3)
    together = decoder(z)
    assert together.shape == (2, 4, channels * p, height, width)
    for lead in ((), (1,), (0,), (2, 0)):
        assert decoder(torch.randn(*lead, 3)).shape == (*lead, channels * p, height, width)
    torch.testing.assert_close(together[1, 2], decoder(z[1, 2]), rtol=1e-4, atol=1e-5)


@every
def test_images_do_not_see_each_other(name):
    encoder, _ = NETWORKS[name]((1, 12, 12), 3, **SMALL[name])
    encoder.double()
    x = torch.rand(6, 1, 12, 12).double()
    torch.testing.assert_close(encoder(x)[2:3], encoder(x[2:3]))


@every
@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 9, 6)])
def test_every_pixel_is_seen_and_every_pixel_depends_on_z(name, shape):
    encoder, decoder = NETWORKS[name](shape, 3, shape[0], **SMALL[name])
    for block in (module for module in encoder.modules() if isinstance(module, ResidualBlock)):
        torch.nn.init.normal_(block.second.weight, std=0.1)
    x = torch.rand(20, *shape, requires_grad=True)  # a ReLU may be off for an image, not for all
    weights = torch.randn(encoder.num_features)
    (gradient,) = torch.autograd.grad((encoder(x) * weights).sum(), x)
    assert (gradient != 0).any(0).all()
    z = torch.randn(200, 3)
    assert (decoder(z).std(0) > 1e-4).all()


@every
def test_the_decoder_starts_at_the_mean_image(name):
    mean = torch.rand(1, 8, 8) * 0.8 + 0.1
    vae = VAE(*reordered(NETWORKS[name]((1, 8, 8), 3, **SMALL[name]), Planar(3, 2)), Bernoulli())
    before = vae.decode(torch.zeros(3))
    vae.initialize_output(mean)
    shift = vae.decode(torch.zeros(3)) - before
    torch.testing.assert_close(shift, mean.logit(), rtol=1e-4, atol=1e-5)
    restored = VAE(
        *reordered(NETWORKS[name]((1, 8, 8), 3, **SMALL[name]), Planar(3, 2)), Bernoulli()
    )
    restored.load_state_dict(vae.state_dict())
    torch.testing.assert_close(restored.decode(torch.ones(3)), vae.decode(torch.ones(3)))


@every
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_signals_keep_their_size_at_the_start(name, shape):
    encoder, decoder = NETWORKS[name](shape, 40, shape[0])
    x = (torch.rand(50, *shape) < 0.2).float()
    assert 0.02 < encoder(x).std(0).mean() < 3
    assert 0.05 < decoder(torch.randn(100, 40)).std(0).mean() < 5


def test_a_residual_block_starts_as_the_identity_and_learns():
    block, h = ResidualBlock(4), torch.randn(3, 4, 5, 5)
    assert torch.equal(block(h), h)
    block(h).square().sum().backward()
    assert block.second.weight.grad.abs().sum() > 0


def test_weights_are_contiguous_whatever_the_activations_layout():
    """A checkpoint is refused otherwise: a fused optimizer trusts strides."""
    encoder, decoder = resnet((1, 8, 8), 3)
    for network in (encoder, decoder):
        assert all(weight.is_contiguous() for weight in network.parameters())
    decoder(encoder(torch.rand(2, 1, 8, 8))[:, :3]).sum().backward()
    assert all(
        w.grad.is_contiguous()
        for n in (encoder, decoder)
        for w in n.parameters()
        if w.grad is not None
    )


def test_a_likelihood_of_many_parameters():
    encoder, decoder = gated_conv((1, 6, 6), 3, Categorical.parameters_per_channel, channels=2)
    vae = VAE(encoder, Planar(3, 1), decoder, Categorical())
    x = torch.randint(256, (4, 1, 6, 6)) / 255
    vae.initialize_output(x.mean(0))
    assert vae.log_likelihood(torch.randn(7, 4, 3), x).shape == (7, 4)


@pytest.mark.parametrize("activation", ["silu", "relu", "gated"])
def test_layer_norm_normalizes_before_the_activation(activation):
    encoder, _ = mlp((1, 4, 4), 2, hidden=[6, 5], activation=activation, layer_norm=True)
    x = torch.rand(7, 1, 4, 4)
    h = x.flatten(1)
    for linear, norm, act in zip(*(encoder.layers[i::3] for i in range(3)), strict=True):
        a = h @ linear.weight.T + linear.bias
        a = (a - a.mean(1, keepdim=True)) / (a.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        assert isinstance(norm, torch.nn.LayerNorm)
        h = act(a)
    torch.testing.assert_close(encoder(x), h)


def test_dropout_is_for_training_only():
    encoder, decoder = mlp((1, 4, 4), 2, hidden=[200], dropout=0.5)
    x, z = torch.rand(3, 1, 4, 4), torch.randn(3, 2)
    assert (encoder(x) == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    assert not torch.equal(decoder(z), decoder(z))
    encoder.eval()
    decoder.eval()
    assert torch.equal(encoder(x), encoder(x))
    assert torch.equal(decoder(z), decoder(z))


def test_without_options_a_perceptron_has_the_layers_and_weights_it_had():
    torch.manual_seed(3)
    plain = mlp((1, 4, 4), 2, hidden=[6, 5])
    torch.manual_seed(3)
    off = mlp((1, 4, 4), 2, hidden=[6, 5], layer_norm=False, dropout=0.0)
    for a, b in zip(plain, off, strict=True):
        assert all(torch.equal(*pair) for pair in zip(a.parameters(), b.parameters(), strict=True))
    assert list(plain.encoder.state_dict()) == [
        f"layers.{index}.{name}" for index in (0, 2) for name in ("weight", "bias")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [partial(gated_conv, channels=4), partial(resnet, channels=[4, 8])]
)
def test_training_does_not_begin_by_ignoring_z(make):
    """With ReLU in place of ELU, this ResNet stays at the mean image, with a KL of 0.1 nats."""
    torch.manual_seed(0)
    data = load_dataset("mnist")
    encoder, decoder = make(data.image_shape, 8, features=32)
    vae = VAE(encoder, Planar(8, 2), decoder, Bernoulli())
    vae.initialize_output(data.train.mean())
    fit(vae, data, num_steps=300, batch_size=20)
    x = data.test.batch(torch.arange(500))
    assert elbo_terms(vae, x, vae.posterior(x).draw((1,))).kl.mean() > 4
