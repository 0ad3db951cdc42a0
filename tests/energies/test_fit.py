"""Fits: a target within reach is recovered, β anneals the energy alone, the generator decides."""

import pytest
import torch
from torch import optim
from torch.distributions import Independent, Normal, kl_divergence

from nfvae.energies import ENERGIES, UnconditionalPosterior, fit_energy
from nfvae.energies.fit import free_energy
from nfvae.energies.kl import kl_by_samples, log_normalizer
from nfvae.errors import DivergenceError
from nfvae.flows import NICE, Identity, Planar
from nfvae.training import warmup_decay


def test_a_gaussian_target_is_recovered():
    """K = 0 and a diagonal Gaussian: KL(q‖p) = 0 is within reach."""
    p = Independent(Normal(torch.tensor([1.0, -0.5]), torch.tensor([0.5, 2.0])), 1)
    posterior = UnconditionalPosterior(Identity(2))
    generator = torch.Generator().manual_seed(0)
    fit_energy(
        posterior,
        lambda z: 3 - p.log_prob(z),
        num_steps=500,
        optimizer=optim.Adam(posterior.parameters(), lr=0.05),
        schedule=warmup_decay(500),
        annealing_steps=100,
        generator=generator,
    )
    posterior.requires_grad_(False)
    q = Independent(Normal(posterior.loc, posterior.log_scale.exp()), 1)
    assert float(kl_divergence(q, p)) < 1e-3
    draw = posterior().draw((10_000,), generator)
    estimate = free_energy(draw, lambda z: 3 - p.log_prob(z)).mean()
    assert float(estimate) == pytest.approx(3, abs=5e-3)  # −log Z


def test_a_flow_comes_nearer_to_u2_than_a_gaussian():
    energy = ENERGIES["U2"]
    log_z = log_normalizer(energy)
    kls = []
    for flow in (Identity(2), Planar(2, 8)):
        torch.manual_seed(0)
        posterior = UnconditionalPosterior(flow)
        generator = torch.Generator().manual_seed(0)
        fit_energy(posterior, energy, 300, annealing_steps=150, generator=generator)
        q = posterior.double().requires_grad_(False)()
        kls.append(kl_by_samples(q, energy, log_z, generator, 20_000).value)
    assert kls[0] > kls[1] + 0.1
    assert kls[1] > 0


@pytest.mark.parametrize("flow", [Planar(2, 2), NICE(2, 2)], ids=["planar", "nice"])
def test_weights_and_generator_decide_everything(flow):
    posterior = UnconditionalPosterior(flow)
    start = {name: value.clone() for name, value in posterior.state_dict().items()}

    def fitted(seed):
        posterior.load_state_dict(start)
        torch.rand(7)  # the global generator takes no part
        fit_energy(posterior, ENERGIES["U1"], 20, generator=torch.Generator().manual_seed(seed))
        return torch.cat([value.flatten() for value in posterior.state_dict().values()])

    first = fitted(0).clone()
    assert torch.equal(fitted(0), first)
    assert not torch.equal(fitted(1), first)


def test_the_energy_alone_is_annealed(monkeypatch):
    draw = UnconditionalPosterior(Planar(2, 2))().draw((5,))
    energies = torch.arange(5.0)
    expected = draw.log_q0 - draw.log_det + 0.25 * energies
    torch.testing.assert_close(free_energy(draw, lambda z: energies, 0.25), expected)

    betas = []

    def keep(draw, energy, beta):
        betas.append(beta)
        return free_energy(draw, energy, beta)

    monkeypatch.setattr("nfvae.energies.fit.free_energy", keep)
    posterior = UnconditionalPosterior(Planar(2, 2))
    fit_energy(posterior, lambda z: z.square().sum(-1), 30, annealing_steps=20)
    assert [betas[step] for step in (0, 10, 20, 29)] == pytest.approx([0.01, 0.505, 1, 1])


def test_the_schedule_multiplies_the_rate_of_each_group():
    posterior = UnconditionalPosterior(Planar(2, 2))
    groups = [
        {"params": [posterior.loc, posterior.log_scale], "lr": 0.5},
        {"params": [posterior.params]},
    ]
    optimizer = optim.SGD(groups, lr=0.1)
    for _ in range(2):  # a second fit starts from the same rates
        fit_energy(posterior, ENERGIES["U1"], 1, optimizer=optimizer, schedule=lambda step: 0.01)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.005, 0.001])


def test_gradients_are_clipped():
    posterior = UnconditionalPosterior(Identity(2))
    optimizer = optim.SGD(posterior.parameters(), lr=1.0)
    before = posterior.loc.clone()
    fit_energy(posterior, lambda z: 1e6 * z.sum(-1), 1, optimizer=optimizer, grad_clip=0.5)
    moved = torch.cat([posterior.loc - before, posterior.log_scale])
    assert moved.detach().norm().item() == pytest.approx(0.5, rel=1e-4)


def test_on_step_comes_before_each_update():
    posterior = UnconditionalPosterior(Identity(2))
    seen = []

    def stop():
        seen.append(posterior.loc.clone())
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_energy(posterior, ENERGIES["U1"], 10, on_step=stop)
    assert not seen[0].any()
    assert torch.equal(posterior.loc, seen[2])
    assert not torch.equal(seen[1], seen[2])


def test_divergence_ends_a_fit():
    posterior = UnconditionalPosterior(Planar(2, 2))
    with pytest.raises(DivergenceError, match="at step 0"):
        fit_energy(posterior, lambda z: z.sum(-1) * float("nan"), 10)
