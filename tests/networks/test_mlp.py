"""The MLP: its formulas, its shapes, and its entry in the registry."""

import pytest
import torch

from nfvae.networks import NETWORKS, MLPDecoder, MLPEncoder, mlp
from nfvae.networks.mlp import hidden_layers

FORMULAS = {
    "silu": lambda a: a * a.sigmoid(),
    "relu": lambda a: a.clamp(min=0),
    "gated": lambda a: a[:, : a.shape[1] // 2] * a[:, a.shape[1] // 2 :].sigmoid(),
}


@pytest.mark.parametrize("activation", FORMULAS)
def test_hidden_layers_are_their_formula(activation):
    layers = hidden_layers(5, [4, 3], activation)
    first, _, second, _ = layers
    x = torch.randn(7, 5)
    h = FORMULAS[activation](x @ first.weight.T + first.bias)
    h = FORMULAS[activation](h @ second.weight.T + second.bias)
    assert h.shape == (7, 3)
    torch.testing.assert_close(layers(x), h)


@pytest.mark.parametrize(("activation", "gain"), [("silu", 2.0), ("relu", 2.0), ("gated", None)])
def test_weights_start_as_documented(activation, gain):
    """He et al. (2015): variance 2/in; Glorot & Bengio (2010): 2/(in + out)."""
    linear = hidden_layers(300, [400], activation)[0]
    size_in, size_out = 300, len(linear.weight)
    expected = gain / size_in if gain else 2 / (size_in + size_out)
    n = linear.weight.numel()
    assert linear.weight.var().item() == pytest.approx(expected, rel=5 * (2 / n) ** 0.5)
    assert not linear.bias.any()


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 5, 7), (2, 1, 1)])
@pytest.mark.parametrize("activation", FORMULAS)
def test_any_image_shape(image_shape, activation):
    channels, height, width = image_shape
    encoder, decoder = mlp(image_shape, 4, 2 * channels, hidden=[6, 5], activation=activation)
    assert encoder(torch.zeros(9, *image_shape)).shape == (9, encoder.num_features) == (9, 5)
    assert decoder.image_shape == image_shape
    for batch in ((), (9,), (3, 9), (0, 9)):
        assert decoder(torch.zeros(*batch, 4)).shape == (*batch, 2 * channels, height, width)


def test_pixels_are_read_and_written_in_one_order():
    """Pixel i of the flattened image is input i and output i."""
    encoder, decoder = mlp((2, 3, 4), 2, 2, hidden=[24], activation="relu")
    with torch.no_grad():
        encoder.layers[0].weight.copy_(torch.eye(24))
    x = torch.arange(24.0).view(1, 2, 3, 4)
    assert torch.equal(encoder(x), x.flatten(1))
    decoder.set_output_bias(x[0])
    with torch.no_grad():
        decoder.output.weight.zero_()
    assert torch.equal(decoder(torch.randn(5, 2)), x.expand(5, 2, 3, 4))


def test_the_decoder_has_the_layers_in_reverse_order():
    encoder, decoder = mlp((1, 4, 4), 3, hidden=[7, 5])
    assert [layer.out_features for layer in encoder.layers[::2]] == [7, 5]
    assert [layer.out_features for layer in decoder.layers[::2]] == [5, 7]
    assert isinstance(encoder, MLPEncoder)
    assert isinstance(decoder, MLPDecoder)


def test_no_hidden_layer_is_refused():
    with pytest.raises(ValueError, match=r"^hidden needs at least one layer size$"):
        mlp((1, 4, 4), 3, hidden=[])


def test_an_unknown_activation_is_refused():
    with pytest.raises(
        ValueError, match=r"^activation must be one of silu, relu, gated, got 'tanh"
    ):
        mlp((1, 4, 5), 2, activation="tanh")


def test_the_registry_knows_its_options():
    assert NETWORKS.find("mlp") is mlp
    options = NETWORKS.options("mlp")
    assert set(options) == {"hidden", "activation", "layer_norm", "dropout"}
    assert options["hidden"].default == [400, 400]
    mlp((1, 4, 4), 3)
    assert options["hidden"].default == [400, 400]  # a call does not change the default
