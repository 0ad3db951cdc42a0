from math import log

import pytest
import torch

from nfvae.flows.iaf import IAF, made_masks


def trained(dim: int, num_transforms: int, **options) -> IAF:
    """A flow whose weights are far from where they start."""
    torch.manual_seed(5)
    flow = IAF(dim, num_transforms, **options).double()
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(torch.randn_like(weight) / max(weight.shape[-1], 1) ** 0.5)
    return flow


def step_jacobian(flow: IAF, k: int, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    own = flow.unpack(context)[k]
    return torch.autograd.functional.jacobian(lambda point: flow.step(k, point, *own)[0], z)


@pytest.mark.parametrize("hidden_layers", [1, 2, 3])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_jacobians_are_triangular_with_the_order_reversed_between_transforms(dim, hidden_layers):
    flow = trained(dim, 3, context_size=2, hidden_size=40, hidden_layers=hidden_layers)
    z, context = torch.randn(dim, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    for k in range(3):
        J = step_jacobian(flow, k, z, context)
        earlier, later = (J.triu(1), J.tril(-1)) if k % 2 else (J.tril(-1), J.triu(1))
        assert not later.any()
        # and every component does see every earlier one
        assert earlier.count_nonzero() == dim * (dim - 1) // 2


@pytest.mark.parametrize("hidden_size", [1, 3, 50])
def test_no_path_through_the_masks_leads_from_a_later_component(hidden_size):
    order = torch.tensor([2, 0, 3, 1])
    first, between, last = made_masks(order, hidden_size, 2)
    paths = last.long() @ between.long() @ first.long()
    rank = order.argsort()
    later = rank.unsqueeze(0) >= rank.unsqueeze(1)
    assert not paths[later.repeat(2, 1)].any()
    if hidden_size >= 4:
        assert paths[~later.repeat(2, 1)].all()


def test_a_transform_is_the_papers_gate():
    flow = trained(4, 1, context_size=2, hidden_size=12)
    z, context = torch.randn(7, 4, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    m, s = flow.conditioners[0](z, *flow.unpack(context)[0]).chunk(2, dim=-1)
    sigma = 1 / (1 + (-s).exp())
    y, log_det = flow(z, context)
    torch.testing.assert_close(y, sigma * z + (1 - sigma) * m)
    torch.testing.assert_close(log_det, sigma.log().sum(-1))


@pytest.mark.parametrize("num_transforms", [1, 4, 80])
def test_an_untrained_stack_scales_by_the_initial_gate(num_transforms):
    flow = IAF(5, num_transforms, initial_gate=0.7)
    z, context = torch.randn(9, 5), torch.randn(9, flow.param_size)
    y, log_det = flow(z, context)
    torch.testing.assert_close(y, 0.7 * z, rtol=1e-4, atol=1e-5)
    expected = torch.full((9,), 5 * log(0.7))
    torch.testing.assert_close(log_det, expected, rtol=1e-4, atol=0)


def test_transforms_differ_and_the_context_matters():
    flow = trained(4, 2, context_size=3)
    z = torch.randn(4, dtype=torch.float64)
    contexts = torch.randn(2, 3, dtype=torch.float64)
    assert not torch.allclose(flow(z, contexts[0])[0], flow(z, contexts[1])[0])
    by_step = flow.transform_log_dets(z, contexts[0])
    assert by_step[0] != by_step[1]


def test_no_context_leaves_one_map_for_every_x():
    flow = trained(4, 2, context_size=0)
    z = torch.randn(3, 4, dtype=torch.float64)
    assert flow.param_size == 0
    y, _ = flow(z, torch.zeros(3, 0, dtype=torch.float64))
    back, _ = flow.inverse(y, torch.zeros(3, 0, dtype=torch.float64))
    torch.testing.assert_close(back, z)


def test_a_closed_gate_keeps_its_log_det():
    # σ underflows in float32 near s = −104; the log-det must stay the sum of log σ.
    flow = IAF(3, 1, context_size=0)
    flow.conditioners[0].start_at(torch.tensor([0.0, 0, 0, -200, 200, 0]))
    y, log_det = flow(torch.ones(3), torch.zeros(0))
    torch.testing.assert_close(log_det, torch.tensor(-200.0) + torch.tensor(0.5).log())
    assert y.equal(torch.tensor([0.0, 1.0, 0.5]))
