import pytest
import torch
from torch import Tensor

from nfvae.flows.householder import Householder


def naive(v: Tensor, z: Tensor) -> Tensor:
    """The paper's formula, one reflection after the other; v is [B, K, D], z [*, B, D]."""
    for k in range(v.shape[1]):
        v_k = v[:, k]
        z = z - 2 * v_k * (v_k * z).sum(-1, keepdim=True) / v_k.square().sum(-1, keepdim=True)
    return z


@pytest.mark.parametrize("num_transforms", [1, 2, 3, 7, 16])
def test_equals_the_reflections_one_by_one(num_transforms: int) -> None:
    flow = Householder(5, num_transforms)
    params = torch.randn(3, flow.param_size, dtype=torch.float64)
    z = torch.randn(4, 3, 5, dtype=torch.float64)
    expected = naive(params.reshape(3, num_transforms, 5), z)
    torch.testing.assert_close(flow(z, params)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_lengths_and_is_undone(scale: float, dtype: torch.dtype) -> None:
    flow = Householder(40, 80)
    params = scale * torch.randn(2, flow.param_size, dtype=dtype)
    z = torch.randn(3, 2, 40, dtype=dtype)
    y, log_det = flow(z, params)
    tolerance = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(y.norm(dim=-1), z.norm(dim=-1), rtol=tolerance, atol=0)
    torch.testing.assert_close(flow.inverse(y, params)[0], z, rtol=0, atol=tolerance)
    assert not log_det.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1e-30, 1e-20, 1e-12, 1e-8, 1e-6, 3.0, 1e6, 1e12, 1e30])
def test_the_length_of_a_vector_does_not_matter(length: float, dtype: torch.dtype) -> None:
    flow = Householder(4, 3)
    v = torch.randn(1, 3, 4, dtype=dtype)
    z = torch.randn(1, 4, dtype=dtype)
    lengths = torch.tensor([length, 1.0, length], dtype=dtype).unsqueeze(-1)
    eps = torch.finfo(dtype).eps
    images, gradients = [], []
    for scale in (torch.ones_like(lengths), lengths):
        params = (scale * v).flatten(1).requires_grad_()
        y, _ = flow(z, params)
        images.append(y)
        (gradient,) = torch.autograd.grad(y.sum(), params)
        gradients.append(gradient.unflatten(1, (3, 4)) * scale)
    torch.testing.assert_close(*images, rtol=0, atol=10 * eps)
    torch.testing.assert_close(*gradients, rtol=0, atol=100 * eps)


def test_a_zero_vector_is_left_out_with_finite_gradients() -> None:
    flow = Householder(4, 3)
    v = torch.randn(1, 3, 4)
    v[:, 1] = 0
    params = v.flatten(1).requires_grad_()
    z = torch.randn(1, 4)
    y, _ = flow(z, params)
    without, _ = Householder(4, 2)(z, v[:, [0, 2]].flatten(1))
    torch.testing.assert_close(y, without)
    (gradient,) = torch.autograd.grad(y.square().sum() + y.sum(), params)
    assert gradient.isfinite().all()
    assert not gradient[:, 4:8].any()


def test_parallel_vectors_are_no_special_case() -> None:
    flow = Householder(3, 6)
    v = torch.randn(3, dtype=torch.float64)
    z = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(flow(z, v.repeat(6))[0], z, rtol=0, atol=1e-14)


def test_an_untrained_stack_of_even_length_is_the_identity() -> None:
    flow = Householder(10, 16)
    z = torch.randn(5, 10)
    torch.testing.assert_close(flow(z, flow.initial_params())[0], z, rtol=0, atol=1e-5)


def test_makes_a_gaussian_with_the_rotated_covariance() -> None:
    flow = Householder(3, 2)
    params = torch.randn(flow.param_size, dtype=torch.float64)
    rotation, _ = flow(torch.eye(3, dtype=torch.float64), params)  # rows: images of e_i
    scale = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    y = torch.randn(7, 3, dtype=torch.float64)
    z, log_det = flow.inverse(y, params)
    base = torch.distributions.Normal(torch.zeros_like(scale), scale)
    covariance = rotation.mT @ scale.square().diag() @ rotation
    expected = torch.distributions.MultivariateNormal(torch.zeros_like(scale), covariance)
    torch.testing.assert_close(base.log_prob(z).sum(-1) + log_det, expected.log_prob(y))
