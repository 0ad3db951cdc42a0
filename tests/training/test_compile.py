"""A compiled update: the same numbers as the eager one, compiled once."""

import pytest
import torch

from nfvae import VAE, Bernoulli, Objective, Planar, Radial, networks
from nfvae.data import load_dataset
from nfvae.flows import OrthogonalSylvester
from nfvae.training import Training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*_prims_common:FutureWarning"),  # torch's own
]
FLOWS = {
    "planar": Planar(4, 3),
    "radial": Radial(4, 3),
    "sylvester": OrthogonalSylvester(4, 2, num_vectors=3),
}


@pytest.fixture(scope="module")
def data():
    return load_dataset("mnist")


def training(data, flow, compile):
    torch.manual_seed(0)
    encoder, decoder = networks.mlp(data.image_shape, 4, hidden=[20])
    vae = VAE(encoder, flow, decoder, Bernoulli())
    objective = Objective(annealing="kl", annealing_steps=6)
    return Training(vae, data, 10, batch_size=20, objective=objective, compile=compile)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_compiled_updates_are_the_eager_ones(data, flow):
    eager, compiled = training(data, flow, False), training(data, flow, True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):  # the annealing weight changes
        for _ in range(8):
            eager.update()
            compiled.update()
    for name, weight in eager.vae.named_parameters():
        torch.testing.assert_close(compiled.vae.state_dict()[name], weight, rtol=1e-4, atol=1e-5)
    for (name, expected), value in zip(
        eager.meter.pop().items(), compiled.meter.pop().values(), strict=True
    ):
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-5), name


def test_compiled_training_resumes_bit_for_bit(data):
    unbroken, first = training(data, FLOWS["planar"], True), training(data, FLOWS["planar"], True)
    for _ in range(6):
        unbroken.update()
    for _ in range(3):
        first.update()
    resumed = training(data, FLOWS["planar"], True)
    resumed.load_state_dict(first.state_dict())
    for _ in range(3):
        resumed.update()
    for name, weight in unbroken.vae.named_parameters():
        assert torch.equal(resumed.vae.state_dict()[name], weight), name
