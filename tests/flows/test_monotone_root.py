"""a + (s − 1) tanh(a) = v, over every s and v that a flow can meet."""

import mpmath
import pytest
import torch

from nfvae.flows.monotone_root import sech2, solve_tanh

SLOPES = [1e-300, 1e-22, 1e-8, 1e-3, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 50.0, 1e6]
VALUES = [1e-12, 1e-4, 0.1, 0.9, 1.0, 1.1, 3.0, 40.0, 1e3, 1e8]


def grid(dtype=torch.float64):
    v = torch.tensor([-x for x in VALUES] + [0.0, *VALUES], dtype=dtype)
    s = torch.tensor(SLOPES, dtype=dtype).clamp(min=torch.finfo(dtype).tiny)
    return torch.cartesian_prod(v, s).unbind(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_solves_the_equation_to_rounding(dtype):
    v, s = grid(dtype)
    a = solve_tanh(v, s)
    assert a.isfinite().all()
    with mpmath.workdps(40):
        for a_i, v_i, s_i in zip(a.tolist(), v.tolist(), s.tolist(), strict=True):
            root = mpmath.mpf(a_i)
            terms = [root - mpmath.tanh(root), s_i * mpmath.tanh(root)]  # of one sign
            assert abs(sum(terms) - v_i) <= 8 * torch.finfo(dtype).eps * abs(v_i)


def test_is_odd_and_zero_at_zero():
    v, s = grid()
    assert solve_tanh(-v, s).equal(-solve_tanh(v, s))
    assert not solve_tanh(torch.zeros(10), torch.tensor(SLOPES[1:])).any()


def test_increases_with_v():
    v = torch.linspace(-30, 30, 2001, dtype=torch.float64)
    for s in (1e-6, 0.3, 1.0, 4.0, 1e4):
        assert (solve_tanh(v, torch.tensor(s, dtype=torch.float64)).diff() > 0).all()


def test_undoes_the_left_side():
    a = torch.linspace(-20, 20, 401, dtype=torch.float64)
    for s in (1e-3, 0.3, 1.0, 4.0, 1e4):
        v = a + (s - 1) * a.tanh()
        back = solve_tanh(v, torch.tensor(s, dtype=torch.float64))
        torch.testing.assert_close(back, a, rtol=1e-12, atol=1e-12)


def test_gradients():
    v = torch.tensor([-3.0, -0.2, 0.0, 0.5, 8.0], dtype=torch.float64).requires_grad_()
    s = torch.tensor([[0.05], [1.0], [7.0]], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(solve_tanh, (v, s))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sech2_is_exact_in_the_tails_and_never_nan(dtype):
    a = torch.tensor([0.0, 1e-3, 1.0, 20.0, 40.0, 1e30], dtype=dtype)
    with mpmath.workdps(40):
        expected = torch.tensor([float(mpmath.sech(x) ** 2) for x in a.tolist()], dtype=dtype)
    # exp magnifies the rounding of its argument: 2·40 units in the last place at a = 40.
    torch.testing.assert_close(sech2(a), expected, rtol=100 * torch.finfo(dtype).eps, atol=1e-40)
    torch.testing.assert_close(sech2(-a), sech2(a), rtol=0, atol=0)
