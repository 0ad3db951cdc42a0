"""The true posterior of a model with two latents, by quadrature."""

import pytest
import torch

from nfvae.evaluation.posterior_plane import posterior_on_grid
from nfvae.objective import elbo_terms, importance_weighted


@pytest.mark.parametrize("flow", ["none", "planar", "radial"])
def test_gap_between_likelihood_and_bound_is_the_kl(tiny_vae, flow):
    """log p(x) = ELBO(x) + KL(q‖p(z|x)): each is found on its own."""
    vae = tiny_vae(flow, num_transforms=0 if flow == "none" else 4).requires_grad_(False)
    torch.manual_seed(1)
    x = (torch.rand(1, 4, 5) < 0.4).double()
    posterior = posterior_on_grid(vae, x, torch.Generator().manual_seed(0))
    assert posterior.mass == pytest.approx(1, abs=1e-3)

    draw = vae.posterior(x[None]).draw((100_000,), torch.Generator().manual_seed(2))
    log_weight = elbo_terms(vae, x[None], draw).log_weight
    error = float(log_weight.std() / len(log_weight) ** 0.5)
    gap = posterior.log_evidence - float(log_weight.mean())
    assert posterior.kl > 0
    assert abs(gap - posterior.kl) < 4 * error + 2e-3

    z = torch.randn(200_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    log_evidence = importance_weighted(vae.log_likelihood(z, x))
    assert posterior.log_evidence == pytest.approx(float(log_evidence), abs=0.02)


def test_a_posterior_far_from_the_prior_is_found(tiny_vae):
    """Where log p(x|z) is linear in z₁ over a wide range, N(0, 1) is moved by its slope."""
    vae = tiny_vae("none", num_transforms=0).requires_grad_(False)
    vae.decode = lambda z: 100 - 0.65 * z[..., :1, None, None].expand(*z.shape[:-1], 1, 4, 5)
    x = torch.zeros(1, 4, 5).double()
    # log p(x|z) = −Σ log(1 + eˡ) ≈ −20 l there, so p(z₁|x) = N(13, 1): p(x) has a closed form.
    posterior = posterior_on_grid(vae, x, torch.Generator().manual_seed(0))
    assert posterior.log_evidence == pytest.approx(-20 * 100 + 13**2 / 2, abs=1e-3)
    z1 = posterior.grid.points[..., 0]
    mean = (posterior.log_p + posterior.grid.log_cell).exp().mul(z1).sum()
    assert float(mean) == pytest.approx(13, abs=1e-3)
