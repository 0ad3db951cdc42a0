"""The state of callbacks, which a run from Python goes on with."""

import math

import pytest
import torch

from nfvae.data import Dataset, Split
from nfvae.flows import Planar
from nfvae.likelihoods import Bernoulli
from nfvae.networks import mlp
from nfvae.training import PrintProgress, Validation, fit, state_dict
from nfvae.training.meter import Meter
from nfvae.vae import VAE


@pytest.fixture
def data() -> Dataset:
    split = Split(255 * torch.randint(2, (50, 1, 3, 3), dtype=torch.uint8))
    return Dataset("noise", split, split, split, binarization="fixed", digest="")


def make_vae() -> VAE:
    encoder, decoder = mlp((1, 3, 3), 2, hidden=[4])
    return VAE(encoder, Planar(2, 2), decoder, Bernoulli())


def test_a_resumed_callback_has_its_state(data: Dataset) -> None:
    callbacks = [Validation(every=2), PrintProgress()]
    stored = state_dict(fit(make_vae(), data, 2, batch_size=10, callbacks=callbacks), callbacks)
    again = Validation(every=100)
    fit(make_vae(), data, 3, batch_size=10, callbacks=[again], resume_from=stored)
    first = callbacks[0]
    assert isinstance(first, Validation)
    assert again.best_neg_elbo <= first.best_neg_elbo < float("inf")
    assert again.best_step in (2, 3)


BAD = [
    (Validation(every=1), {"best_neg_elbo": math.nan}),
    (Validation(every=1), {"best_neg_elbo": -math.inf}),
    *((Validation(every=1), {name: -1}) for name in ("step", "best_step", "stale")),
    (Meter(("a", "b"), torch.device("cpu")), {"count": -1}),
    (Meter(("a", "b"), torch.device("cpu")), {"sums": torch.zeros(2)}),
    (Meter(("a", "b"), torch.device("cpu")), {"sums": torch.zeros(2).double() / 0}),
]


@pytest.mark.parametrize(("owner", "change"), BAD)
def test_a_state_out_of_range_is_refused(
    owner: Validation | Meter, change: dict[str, object]
) -> None:
    owner.load_state_dict(owner.state_dict())
    with pytest.raises(ValueError, match=r"must be|is not|best_neg_elbo is"):
        owner.load_state_dict(owner.state_dict() | change)


def test_a_state_that_would_be_lost_is_refused(data: Dataset) -> None:
    two = [Validation(every=1), Validation(every=2)]
    training = fit(make_vae(), data, 2, batch_size=10, callbacks=two)
    with pytest.raises(ValueError, match=r"^only one callback of the class Validation can be"):
        state_dict(training, two)
    state_dict(training, [PrintProgress(), PrintProgress()])  # they have none
