"""Names, their options, and parts from a user's module."""

import importlib
import sys
from typing import Annotated

import pytest
import torch
from annotated_types import Ge

from nfvae.data import DATASETS, load_dataset
from nfvae.flows import FLOWS
from nfvae.likelihoods import LIKELIHOODS
from nfvae.networks import NETWORKS
from nfvae.registry import Registry
from nfvae.training import fit
from nfvae.vae import VAE

MODULE = '''
"""One of each kind."""

import torch

from nfvae import data, flows, likelihoods, networks
from nfvae.flows.base import StepwiseFlow


@flows.register("my_shift")
class MyShift(StepwiseFlow):
    def __init__(self, dim, num_transforms, *, scale: float = 1.0):
        super().__init__(dim, num_transforms)
        self.scale = scale

    @property
    def param_size(self):
        return self.num_transforms * self.dim

    def initial_params(self):
        return torch.zeros(self.param_size)

    def unpack(self, params):
        return [(own,) for own in params.chunk(self.num_transforms, dim=-1)]

    def step(self, k, z, *params):
        return z + self.scale * params[0], z.new_zeros(z.shape[:-1])

    def inverse_step(self, k, y, *params):
        return y - self.scale * params[0], y.new_zeros(y.shape[:-1])


@likelihoods.register("my_bits")
class MyBits(likelihoods.Bernoulli):
    """Two logits per channel, which are added."""

    parameters_per_channel = 2

    def log_prob(self, parameters, x):
        return super().log_prob(self.total(parameters), x)

    def mean(self, parameters):
        return super().mean(self.total(parameters))

    def initial_parameters(self, mean):
        return super().initial_parameters(mean).repeat(2, 1, 1) / 2

    @staticmethod
    def total(parameters):
        return sum(parameters.chunk(2, dim=-3))


@networks.register("my_mlp")
def my_mlp(image_shape, latent_dim, out_channels, *, width: int = 8):
    return networks.mlp(image_shape, latent_dim, out_channels, hidden=[width])


@data.register("my_squares")
def my_squares(*, size: int = 6):
    images = torch.zeros(100, 1, size, size, dtype=torch.uint8)
    images[50:, :, 1:-1, 1:-1] = 255
    images = images[torch.randperm(100)]
    splits = [data.Split(part, None, dynamic=False) for part in images.split([60, 20, 20])]
    return data.Dataset("my_squares", *splits, binarization="fixed", digest="")
'''


@pytest.fixture
def own_parts(tmp_path, monkeypatch):
    """Import the module above; nothing of it stays registered."""
    registries = (FLOWS, LIKELIHOODS, NETWORKS, DATASETS)
    before = [dict(registry) for registry in registries]
    (tmp_path / "my_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_parts")
    del sys.modules["my_parts"]
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def test_user_parts_are_found_by_name_and_trained(own_parts):
    data = load_dataset("my_squares", size=8)
    assert data.image_shape == (1, 8, 8)
    likelihood = LIKELIHOODS.find("my_bits")()
    encoder, decoder = NETWORKS.find("my_mlp")(
        data.image_shape, 2, likelihood.parameters_per_channel, width=16
    )
    flow = FLOWS.find("my_shift")(2, 3, scale=0.5)
    assert isinstance(flow, own_parts.MyShift)
    vae = VAE(encoder, flow, decoder, likelihood)
    vae.initialize_output(data.train.mean())
    torch.nn.init.zeros_(decoder.output.weight)
    torch.testing.assert_close(vae.mean(torch.randn(3, 2))[0], data.train.mean())
    torch.nn.init.normal_(decoder.output.weight, std=0.1)
    training = fit(vae, data, num_steps=200, batch_size=20)
    assert training.meter.pop()["neg_elbo"] < 15  # 36 pixels of one common bit; 25 nats without z
    assert vae.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.usefixtures("own_parts")
def test_options_are_the_keyword_only_arguments():
    assert FLOWS.options("my_shift")["scale"].annotation is float
    assert NETWORKS.options("my_mlp")["width"].default == 8
    assert LIKELIHOODS.options("my_bits") == {}
    with pytest.raises(
        ValueError, match="data set 'my_squares' has no option 'width'; it has: size"
    ):
        load_dataset("my_squares", width=3)


def test_importing_a_module_again_registers_its_parts_again(own_parts):
    old = own_parts.MyShift
    again = importlib.reload(own_parts)
    assert FLOWS["my_shift"] is again.MyShift is not old


def test_a_taken_name_is_refused():
    registry = Registry("thing")

    @registry.register("one")
    def one():
        pass

    def other():
        pass

    with pytest.raises(ValueError, match=r"^there is a thing named 'one' already$"):
        registry.register("one")(other)
    assert registry["one"] is one


def test_a_part_of_another_module_is_another_part():
    """A class of the user's own that is called Planar does not replace the package's."""

    class Planar(torch.nn.Module):
        pass

    Planar.__qualname__ = "Planar"
    with pytest.raises(ValueError, match=r"^there is a flow named 'planar' already$"):
        FLOWS.register("planar")(Planar)
    assert FLOWS["planar"].__module__ == "nfvae.flows.planar"


def test_an_unknown_name_is_one_line_with_those_known():
    registry = Registry("thing")
    registry.register("b")(len)
    registry.register("a")(print)
    with pytest.raises(ValueError, match=r"^thing 'c' is unknown; known: a, b$"):
        registry.find("c")
    with pytest.raises(ValueError, match=r"^thing 'c' is unknown; known: a, b$"):
        registry.options("c")


def test_options_keep_annotations_with_their_ranges():
    registry = Registry("thing")

    @registry.register("one")
    def one(dim: int, *, width: Annotated[int, Ge(1)] = 3) -> None:
        pass

    options = registry.options("one")
    assert list(options) == ["width"]
    assert options["width"].annotation == Annotated[int, Ge(1)]
    assert options["width"].default == 3
