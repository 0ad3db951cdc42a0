"""The readable form of every flow under torch.func, double backward, export, compile and copies."""

import copy
import pickle

import pytest
import torch

from nfvae.flows import (
    FLOWS,
    HouseholderSylvester,
    OrthogonalSylvester,
    Planar,
    Radial,
    TriangularSylvester,
)

FUSED = [Planar, Radial, OrthogonalSylvester, HouseholderSylvester, TriangularSylvester]

pytestmark = [
    # torch itself warns when it decomposes forward-mode derivatives
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]


@pytest.fixture
def case(make_flow, draw_params, name):
    """A flow on R³, points [4, 3] and parameters [4, param_size]."""
    flow = make_flow(name, 3, 2, fused=False)
    params = draw_params(flow, 1.0, (4,))
    return flow, torch.randn(4, 3, dtype=torch.float64), params


def scalar(flow):
    def loss(z, params):
        y, log_det = flow(z, params)
        return y.sin().sum() + log_det.sum()

    return loss


def by_backward(loss, *inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    gradients = torch.autograd.grad(loss(*leaves), leaves, allow_unused=True)
    return tuple(
        torch.zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)
    )


def test_grad(case):
    flow, z, params = case
    gradients = torch.func.grad(scalar(flow), argnums=(0, 1))(z, params)
    torch.testing.assert_close(gradients, by_backward(scalar(flow), z, params))


def test_grad_with_respect_to_the_weights(case):
    flow, z, params = case
    weights = dict(flow.named_parameters())

    def loss(weights):
        y, log_det = torch.func.functional_call(flow, weights, (z, params))
        return y.sin().sum() + log_det.sum()

    gradients = torch.func.grad(loss)(weights)
    if weights:
        scalar(flow)(z, params).backward()
    for key, weight in weights.items():
        torch.testing.assert_close(gradients[key], weight.grad)


@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0)])
def test_vmap(case, in_dims):
    flow, z, params = case
    z, params = (z if in_dims[0] == 0 else z[0]), (params if in_dims[1] == 0 else params[0])
    mapped = torch.func.vmap(flow, in_dims=in_dims)(z, params)
    torch.testing.assert_close(mapped, flow(z.expand(4, 3), params))


def test_gradients_per_example(case):
    flow, z, params = case
    gradients = torch.func.vmap(torch.func.grad(scalar(flow), argnums=(0, 1)))(z, params)
    torch.testing.assert_close(gradients, by_backward(scalar(flow), z, params))


def test_jvp_and_jacrev(case):
    flow, z, params = case
    direction = torch.randn_like(z)
    _, (along, log_det_along) = torch.func.jvp(lambda z: flow(z, params), (z,), (direction,))
    J, log_det_J = torch.func.jacrev(lambda z: flow(z, params))(z)
    torch.testing.assert_close(along, torch.einsum("bikj,kj->bi", J, direction))
    torch.testing.assert_close(log_det_along, torch.einsum("bkj,kj->b", log_det_J, direction))
    own = torch.stack([J[b, :, b] for b in range(4)])
    torch.testing.assert_close(torch.linalg.slogdet(own)[1], flow(z, params)[1])


def test_double_backward(case):
    flow, z, params = case
    inputs = (z[:2].clone().requires_grad_(), params[:2].clone().requires_grad_())
    assert torch.autograd.gradgradcheck(lambda z, params: flow(z, params), inputs)


def test_the_second_derivative_holds_where_tanh_has_its_inflection(make_flow):
    # wᵀz + b = 0 exactly; a formula with |a| would lose the curvature of log det there
    flow = make_flow("planar", 2, 1, fused=False)
    params = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0], dtype=torch.float64)
    hessian = [
        torch.func.hessian(lambda z: flow(z, params)[1])(torch.tensor([x, 0.0]).double())[0, 0]
        for x in (0.0, 1e-6)
    ]
    assert hessian[0] < -0.1
    torch.testing.assert_close(hessian[0], hessian[1], atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FLOWS), indirect=True)
def test_export(case):
    flow, z, params = case
    exported = torch.export.export(flow, (z, params)).module()
    torch.testing.assert_close(exported(z, params), flow(z, params))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FLOWS), indirect=True)
def test_compile(case):
    flow, z, params = case
    torch._dynamo.reset()
    compiled = torch.compile(flow, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(z, params), flow(z, params))
    torch.testing.assert_close(
        by_backward(scalar(compiled), z, params), by_backward(scalar(flow), z, params)
    )


@pytest.mark.parametrize("fused", [True, False])
def test_copies(make_flow, draw_params, name, fused):
    flow = make_flow(name, 3, 2, fused=fused)
    params, z = draw_params(flow, 1.0, (4,)), torch.randn(4, 3, dtype=torch.float64)
    for twin in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        for out, expected in zip(twin(z, params), flow(z, params), strict=True):
            assert out.equal(expected)


def forward_mode(function):
    with torch.autograd.forward_ad.dual_level():
        function(torch.autograd.forward_ad.make_dual(torch.ones(3), torch.ones(3)))


def twice(function):
    z = torch.ones(3, requires_grad=True)
    torch.autograd.grad(function(z), z, create_graph=True)


HIGHER = {
    "grad": lambda f: torch.func.grad(f)(torch.ones(3)),
    "vmap": lambda f: torch.func.vmap(f)(torch.ones(2, 3)),
    "jvp": lambda f: torch.func.jvp(f, (torch.ones(3),), (torch.ones(3),)),
    "forward mode": forward_mode,
    "create_graph": twice,
}


@pytest.mark.parametrize("way", HIGHER)
@pytest.mark.parametrize("family", FUSED)
def test_fused_forms_say_what_to_do(family, way):
    flow = family(3, 2)
    params = flow.initial_params()
    with pytest.raises(RuntimeError, match="build the flow with fused=False") as caught:
        HIGHER[way](lambda z: flow(z, params)[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", HIGHER)
def test_inverses_work_or_say_that_they_do_not(make_flow, name, way):
    flow = make_flow(name, 3, 2, fused=False).float()
    params = flow.initial_params()
    error = ""
    try:
        HIGHER[way](lambda z: flow.inverse(z, params)[1] + z.sum(-1))
    except RuntimeError as caught:
        error = str(caught)
    iterates = "planar" in name or "sylvester" in name
    assert error.startswith("the inverse of planar and Sylvester flows" if iterates else "")
    assert "\n" not in error
    assert bool(error) == iterates
