import pytest
import torch

from nfvae.flows import FLOWS, NICE, RealNVP, Spline
from nfvae.flows.coupling import Coupling

COUPLINGS = [NICE, RealNVP, Spline]
every_coupling = pytest.mark.parametrize("family", COUPLINGS)


def trained(family: type[Coupling], dim: int, num_transforms: int, **options) -> Coupling:
    """A flow whose weights are far from where they start."""
    torch.manual_seed(3)
    flow = family(dim, num_transforms, **options).double()
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(torch.randn_like(weight) / max(weight.shape[-1], 1) ** 0.5)
    return flow


def jacobian(flow: Coupling, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(lambda point: flow(point, context)[0], z)


@every_coupling
@pytest.mark.parametrize("dim", [2, 5])
def test_a_transform_moves_one_half_as_a_function_of_the_other(family, dim):
    flow = trained(family, dim, 1, context_size=0)
    order, (fixed, _) = flow.order[0], flow.sizes[0]
    a, b = order[:fixed], order[fixed:]
    J = jacobian(flow, torch.randn(dim, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    assert J[a][:, a].equal(torch.eye(fixed, dtype=torch.float64))
    assert not J[a][:, b].any()
    assert J[b][:, a].all()
    assert J[b][:, b].equal(J[b][:, b].diag().diag())
    assert (J[b][:, b].diag() > 0).all()


@every_coupling
@pytest.mark.parametrize("dim", [2, 5, 6])
def test_a_pair_of_transforms_moves_every_component(family, dim):
    flow = trained(family, dim, 6, context_size=0)
    for first, second in ((0, 1), (2, 3), (4, 5)):
        moved = [set(flow.order[k, flow.sizes[k][0] :].tolist()) for k in (first, second)]
        assert moved[0] | moved[1] == set(range(dim))
        assert not moved[0] & moved[1]


def test_pairs_split_differently():
    flow = NICE(10, 4)
    assert set(flow.order[0, :5].tolist()) != set(flow.order[2, :5].tolist())


def test_nice_preserves_volume_exactly():
    flow = trained(NICE, 4, 6, context_size=2)
    z, context = torch.randn(4, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    assert not flow(z, context)[1].any()
    assert abs(torch.linalg.slogdet(jacobian(flow, z, context))[1]) <= 1e-12


def test_realnvp_scales_within_its_bound():
    flow = trained(RealNVP, 4, 2, context_size=2, max_log_scale=0.5)
    log_det = flow.transform_log_dets(
        100 * torch.randn(1000, 4, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    )
    assert log_det.abs().max() <= 0.5 * 2  # two components move in a step
    assert log_det.abs().max() >= 0.5  # and the bound is not out of reach


def test_spline_is_the_identity_outside_its_bound():
    flow = trained(Spline, 4, 2, context_size=2, bound=2.0)
    context = torch.randn(2, dtype=torch.float64)
    z = torch.tensor([[2.1, -2.1, 50.0, -1e6], [0.5, -0.5, 0.1, -0.1]], dtype=torch.float64)
    y, log_det = flow(z, context)
    assert y[0].equal(z[0])
    assert log_det[0] == 0
    assert (y[1] - z[1]).abs().min() > 1e-3
    assert y[1].abs().max() <= 2


@every_coupling
def test_the_context_matters_and_may_be_left_out(family):
    z = torch.randn(3, 4, dtype=torch.float64)
    contexts = torch.randn(2, 5, dtype=torch.float64)
    flow = trained(family, 4, 2, context_size=5)
    assert not torch.allclose(flow(z, contexts[0])[0], flow(z, contexts[1])[0])
    alone = trained(family, 4, 2, context_size=0)
    assert alone.param_size == 0
    assert alone.initial_params().shape == (0,)
    y, _ = alone(z, torch.zeros(3, 0, dtype=torch.float64))
    assert y.equal(alone(z, torch.zeros(0, dtype=torch.float64))[0])
    assert not torch.allclose(y, z)


@every_coupling
@pytest.mark.parametrize("num_transforms", [1, 16])
def test_starts_as_the_identity(family, num_transforms):
    flow = family(5, num_transforms)
    z = torch.randn(7, 5)
    y, log_det = flow(z, torch.randn(7, flow.param_size))
    torch.testing.assert_close(y, z, atol=1e-5, rtol=0)
    torch.testing.assert_close(log_det, torch.zeros(7), atol=1e-5, rtol=0)


@every_coupling
def test_splits_are_stored_with_the_weights(family):
    flow, other = family(6, 4), family(6, 4)
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(torch.randn_like(weight) / max(weight.shape[-1], 1) ** 0.5)
    other.load_state_dict(flow.state_dict())
    z, context = torch.randn(3, 6), torch.randn(3, 64)
    assert other(z, context)[0].equal(flow(z, context)[0])


@pytest.mark.parametrize("name", ["nice", "realnvp", "spline"])
def test_one_dimension_has_no_halves(name):
    with pytest.raises(ValueError, match="at least 2 dimensions, got 1"):
        FLOWS[name](1, 4)
