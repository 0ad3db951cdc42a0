"""Parameter groups keep their rates through the schedule, a second `fit`, and a resume."""

import pytest
import torch
from torch import optim

from nfvae.data import Dataset, Split
from nfvae.flows import Planar
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.training import fit, state_dict
from nfvae.vae import VAE


@pytest.fixture
def data() -> Dataset:
    split = Split(255 * torch.randint(2, (50, 1, 3, 3), dtype=torch.uint8), None, dynamic=False)
    return Dataset("noise", split, None, split, binarization="fixed", digest="")


def model_and_optimizer() -> tuple[VAE, optim.Optimizer]:
    torch.manual_seed(0)
    encoder, decoder = mlp((1, 3, 3), 2, hidden=[4])
    vae = VAE(encoder, Planar(2, 2), decoder, Bernoulli())
    groups = [
        {"params": list(vae.inference_parameters()), "lr": 1e-4},
        {"params": list(vae.generative_parameters())},
    ]
    return vae, optim.Adam(groups, lr=1e-2)


def rates(optimizer: optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def test_a_schedule_multiplies_the_rate_of_each_group(data: Dataset) -> None:
    vae, optimizer = model_and_optimizer()
    for _ in range(2):  # the second fit starts from the same rates, not from the decayed ones
        fit(vae, data, 1, batch_size=10, optimizer=optimizer)
        assert rates(optimizer) == pytest.approx([1e-4, 1e-2])
        fit(vae, data, 1, batch_size=10, optimizer=optimizer, schedule=lambda step: 0.25)
        assert rates(optimizer) == pytest.approx([0.25e-4, 0.25e-2])


def test_a_resumed_run_has_the_same_rates(data: Dataset) -> None:
    def schedule(step: int) -> float:
        return 0.5**step

    vae, optimizer = model_and_optimizer()
    fit(vae, data, 5, batch_size=10, optimizer=optimizer, schedule=schedule)
    whole = {name: value.clone() for name, value in vae.state_dict().items()}

    vae, optimizer = model_and_optimizer()
    training = fit(vae, data, 3, batch_size=10, optimizer=optimizer, schedule=schedule)
    stored = state_dict(training, [])
    vae, optimizer = model_and_optimizer()
    fit(vae, data, 5, batch_size=10, optimizer=optimizer, schedule=schedule, resume_from=stored)
    assert rates(optimizer) == pytest.approx([1e-4 / 16, 1e-2 / 16])
    for name, value in vae.state_dict().items():
        assert torch.equal(value, whole[name])
