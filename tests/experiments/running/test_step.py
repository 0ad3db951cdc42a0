"""One update of the weights against the bounds written out by hand."""

from copy import deepcopy
from math import cos, log, pi

import pytest
import torch
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits

from nfvae.data import load_dataset
from nfvae.experiments.configuration.build import fit_arguments
from nfvae.training import Training

STEP, CLIP, CPU = 7, 0.5, torch.device("cpu")
OPTIONS = (
    "objective.num_samples=3",
    "objective.annealing_steps=100",
    f"optim.grad_clip={CLIP}",
    "optim.warmup_steps=20",
    "optim.lr=0.002",
    "optim.betas=[0.8,0.95]",
)


@pytest.fixture
def make_state(small_config):
    def make(*overrides):
        state = Training(**fit_arguments(small_config(*overrides), load_dataset(), CPU))
        state.step = STEP
        return state

    return make


def loss_by_hand(state, kind):
    """Minus the bound of the step to come, and its gradients: Burda et al. 2016, eq. 8, with β."""
    vae = deepcopy(state.vae)
    generator = torch.Generator()
    generator.set_state(state.generator.get_state())
    x = state.data.train.batch(state.sampler.indices(STEP), generator)
    q = vae.posterior(x)
    eps = torch.randn((3, *q.loc.shape), generator=generator)
    z, log_det = vae.flow(q.loc + eps * q.log_scale.exp(), q.params)
    log_q = Normal(0, 1).log_prob(eps).sum(-1) - q.log_scale.sum(-1) - log_det
    log_prior = Normal(0, 1).log_prob(z).sum(-1)
    cross_entropy = binary_cross_entropy_with_logits(
        vae.decode(z), x.expand(3, -1, -1, -1, -1), reduction="none"
    ).sum((-3, -2, -1))
    beta = 0.01 + 0.99 * STEP / 100
    log_weight = {
        "none": log_prior - cross_entropy - log_q,
        "energy": beta * (log_prior - cross_entropy) - log_q,
        "kl": -cross_entropy - beta * (log_q - log_prior),
    }[kind]
    loss = -(log_weight.logsumexp(0) - log(3)).mean()
    return loss, torch.autograd.grad(loss, list(vae.parameters()))


@pytest.mark.parametrize("kind", ["none", "energy", "kl"])
def test_a_step_is_that_of_the_bound(make_state, kind):
    state = make_state(*OPTIONS, f"objective.annealing={kind}")
    loss, gradients = loss_by_hand(state, kind)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert norm > CLIP
    state.update()
    means = state.meter.pop()
    assert means["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert means["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    for weight, gradient in zip(state.vae.parameters(), gradients, strict=True):
        torch.testing.assert_close(weight.grad, gradient * CLIP / norm, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_optimizer_has_the_scheduled_rate(make_state, scale):
    state = make_state(*OPTIONS)
    state.lr_scale = scale
    factor = state.lr_factor
    state.update()
    (group,) = state.optimizer.param_groups
    schedule = (STEP + 1) / 20 * 0.5 * (1 + cos(pi * STEP / 30))
    assert group["lr"] == 0.002 * factor == pytest.approx(0.002 * schedule * scale)
    assert tuple(group["betas"]) == (0.8, 0.95)


def test_without_a_limit_gradients_are_as_they_are(make_state):
    state = make_state(*OPTIONS, "optim.grad_clip=null", "objective.annealing=none")
    _, gradients = loss_by_hand(state, "none")
    state.update()
    for weight, gradient in zip(state.vae.parameters(), gradients, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-5)


def test_the_terms_that_are_logged_add_up(make_state):
    state = make_state("objective.num_samples=1", "K=2")
    state.update()
    means = state.meter.pop()
    assert means["loss"] == pytest.approx(means["neg_elbo"], rel=1e-6)
    assert means["neg_elbo"] == pytest.approx(means["distortion"] + means["kl"], rel=1e-6)
    kl = means["log_q0"] - means["log_det"] - means["log_prior"]
    assert means["kl"] == pytest.approx(kl, rel=1e-5)
