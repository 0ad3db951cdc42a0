"""KL by samples and by the grid: against each other and against Gaussians in closed form."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from nfvae.energies import ENERGIES, UnconditionalPosterior
from nfvae.energies.kl import kl_by_samples, kl_on_grid, log_normalizer
from nfvae.flows import FLOWS


@pytest.fixture
def gaussian():
    covariance = torch.tensor([[0.8, 0.3], [0.3, 0.5]], dtype=torch.float64)
    return MultivariateNormal(torch.tensor([0.5, -0.3], dtype=torch.float64), covariance)


def random_posterior(flow, num_transforms, **options):
    torch.manual_seed(3)
    posterior = UnconditionalPosterior(FLOWS[flow](2, num_transforms, **options)).double()
    with torch.no_grad():
        for parameter in posterior.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return posterior.requires_grad_(False)()


def test_both_are_the_closed_form_for_gaussians(gaussian):
    q = random_posterior("none", 0)
    exact = float(
        kl_divergence(MultivariateNormal(q.loc, scale_tril=q.log_scale.exp().diag()), gaussian)
    )

    def energy(z):
        return 7.0 - gaussian.log_prob(z)

    log_z = log_normalizer(energy)
    assert log_z == pytest.approx(-7.0, abs=1e-9)
    assert kl_on_grid(q, energy, log_z).value == pytest.approx(exact, abs=1e-9)
    estimate = kl_by_samples(q, energy, log_z, torch.Generator().manual_seed(0), 100_000)
    assert abs(estimate.value - exact) < 4 * estimate.standard_error


@pytest.mark.parametrize("name", ENERGIES)
@pytest.mark.parametrize(
    ("flow", "options"), [("planar", {}), ("nice", {"context_size": 0, "hidden_size": 4})]
)
def test_grid_and_samples_agree(name, flow, options):
    q, energy = random_posterior(flow, 2, **options), ENERGIES[name]
    log_z = log_normalizer(energy)
    grid = kl_on_grid(q, energy, log_z)
    samples = kl_by_samples(q, energy, log_z, torch.Generator().manual_seed(1), 100_000)
    assert grid.mass == pytest.approx(1, abs=1e-4)
    assert grid.value > 0
    assert abs(samples.value - grid.value) < 4 * samples.standard_error + 1e-3
