"""Likelihoods of levels and reals: total mass, values against mpmath, gradients, draws, checks.

Extreme parameters are those that a decoder can reach when training goes wrong.
"""

import inspect
import itertools

import mpmath
import numpy as np
import pytest
import torch

from nfvae.likelihoods import (
    LIKELIHOODS,
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
)

TYPES = [torch.float32, torch.float64]
LOCS = [-1e4, -3.0, -0.2, 0.0, 1e-3, 0.5, 0.73, 1.0, 1.4, 1e4]
LOG_SCALES = [-1e4, -30.0, -7.0, -6.5, -4.0, -2.0, 0.0, 3.0, 20.0, 1e4]
LOGITS = [
    -1e4,
    -300.0,
    -20.0,
    -1.0,
    -0.6,
    -1e-3,
    -1e-9,
    0.0,
    1e-9,
    1e-3,
    0.6,
    1.0,
    20.0,
    300.0,
    1e4,
]
LEVELS = [k / 255 for k in range(256)]

EVERY = {
    "bernoulli": Bernoulli(),
    "categorical": Categorical(),
    "continuous_bernoulli": ContinuousBernoulli(),
    "discretized_logistic": DiscretizedLogistic(),
    "discretized_logistic, shared": DiscretizedLogistic(scale="shared"),
    "gaussian": Gaussian(),
    "gaussian, fixed": Gaussian(fixed_std=0.1),
    "gaussian of reals": Gaussian(dequantize=False),
    "gaussian of reals, fixed": Gaussian(dequantize=False, fixed_std=0.1),
}
every = pytest.mark.parametrize("likelihood", EVERY.values(), ids=EVERY.keys())


def of_one_pixel(likelihood, parameters, values, dtype=torch.float64):
    """log p of each of the values [V] under each set of parameters [N, p]: [N, V]."""
    parameters = torch.as_tensor(parameters, dtype=dtype)[:, None, :, None, None]
    x = torch.as_tensor(values, dtype=torch.float64).to(dtype)[:, None, None, None]
    return likelihood.log_prob(parameters.expand(-1, len(x), -1, 1, 1), x)


def images_of(likelihood, shape=(3, 2, 4, 4), dtype=torch.float64):
    """Random values that the likelihood accepts."""
    kind = likelihood.accepts[0]
    if kind == "bits":
        return torch.randint(2, shape).to(dtype)
    return (
        torch.randint(256, shape).to(dtype) / 255
        if kind == "levels"
        else torch.rand(shape).to(dtype)
    )


def test_every_registered_likelihood_is_tested_here():
    assert {type(likelihood) for likelihood in EVERY.values()} == set(LIKELIHOODS.values())


@pytest.mark.parametrize("dtype", TYPES)
def test_logistic_masses_sum_to_one(dtype):
    parameters = list(itertools.product(LOCS, LOG_SCALES))
    log_mass = of_one_pixel(DiscretizedLogistic(), parameters, LEVELS, dtype)
    total = log_mass.double().exp().sum(-1)
    assert log_mass.isfinite().all()
    torch.testing.assert_close(
        total, torch.ones_like(total), atol=2e-5 if dtype == torch.float32 else 1e-12, rtol=0
    )


def test_shared_scale_is_the_scale_of_every_pixel():
    shared, own = DiscretizedLogistic(scale="shared").double(), DiscretizedLogistic()
    with torch.no_grad():
        shared.shared_log_scale.fill_(-3.3)
    loc, x = torch.rand(2, 4, 4, dtype=torch.float64), images_of(own)
    both = torch.cat([loc, torch.full_like(loc, -3.3)])
    torch.testing.assert_close(shared.log_prob(loc, x), own.log_prob(both, x))
    (gradient,) = torch.autograd.grad(shared.log_prob(loc, x).sum(), shared.shared_log_scale)
    assert gradient.isfinite()
    assert gradient != 0


@pytest.mark.parametrize("k", [0, 1, 2, 100, 254, 255])
@pytest.mark.parametrize(
    ("loc", "log_scale"), [(0.4, -4.0), (-0.3, -6.9), (2.0, 5.0), (0.39, -20.0)]
)
def test_logistic_masses_are_mpmaths(k, loc, log_scale):
    """From the definition, with 1000 digits: in the tails the two σ agree to hundreds."""
    with mpmath.workdps(1000):
        scale = 255 * mpmath.exp(-7 + mpmath.log1p(mpmath.exp(log_scale + 7)))

        def below(edge):
            return 1 / (1 + mpmath.exp(-(edge - 255 * mpmath.mpf(loc)) / scale))

        mass = (1 if k == 255 else below(k + 0.5)) - (0 if k == 0 else below(k - 0.5))
        expected = float(mpmath.log(mass))
    found = of_one_pixel(DiscretizedLogistic(), [(loc, log_scale)], [k / 255])
    assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e4, 1e30])
def test_categorical_masses_sum_to_one(dtype, size):
    logits = size * torch.randn(5, 256, dtype=dtype)
    total = of_one_pixel(Categorical(), logits, LEVELS, dtype).double().exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=2e-5, rtol=0)


def test_categorical_is_the_softmax_of_each_pixel_and_channel():
    logits = torch.randn(256, 2, 3, 4, dtype=torch.float64)
    x = images_of(Categorical(), (2, 3, 4))
    k = (x * 255).round().long()
    expected = logits.log_softmax(0).gather(0, k[None]).sum()
    torch.testing.assert_close(Categorical().log_prob(logits.flatten(0, 1), x), expected)


def gauss_legendre(low, high, points=200):
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = 0.5 * (high - low)
    return torch.tensor(low + half * (nodes + 1)), torch.tensor(half * weights)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one(dtype, logit):
    """Over [0, 1] cut where a density that is steep at one edge has its mass."""
    total = 0.0
    cuts = sorted({0.0, 1.0} | {c for e in range(1, 7) for c in (10.0**-e, 1 - 10.0**-e)})
    for low, high in itertools.pairwise(cuts):
        x, weights = gauss_legendre(low, high, 60)
        log_density = of_one_pixel(ContinuousBernoulli(), [[logit]], x, dtype)[0]
        assert log_density.isfinite().all()
        total += (log_density.double().exp() * weights).sum().item()
    # A density as steep as 1e4 feels how x itself is rounded near 1 in float32.
    tolerance = (1e-10 if dtype == torch.float64 else 2e-6) * max(1.0, abs(logit) / 10)
    assert total == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("logit", [-2000.0, -0.61, -0.59, -1e-3, -1e-12, 0.0, 1e-8, 0.3, 5.0, 80.0])
def test_continuous_bernoulli_is_mpmaths(dtype, logit):
    """Density, mean and both gradients, from C(λ) in the paper's form, with 1000 digits."""
    one = torch.tensor(logit, dtype=dtype).view(1, 1, 1)
    with mpmath.workdps(1000):
        exact = mpmath.mpf(one.item())

        def log_density(eta):
            x = mpmath.mpf(0.25)
            lam = 1 / (1 + mpmath.exp(-eta))
            c = 2 if lam == 0.5 else 2 * mpmath.atanh(1 - 2 * lam) / (1 - 2 * lam)
            return x * mpmath.log(lam) + (1 - x) * mpmath.log(1 - lam) + mpmath.log(c)

        step = mpmath.mpf(10) ** -100
        expected = float(log_density(exact))
        slope = float((log_density(exact + step) - log_density(exact - step)) / (2 * step))
    parameters = one.clone().requires_grad_()
    found = ContinuousBernoulli().log_prob(parameters, torch.full((1, 1, 1), 0.25, dtype=dtype))
    (gradient,) = torch.autograd.grad(found, parameters)
    exact_to = (
        {"rel": 1e-13, "abs": 1e-14} if dtype == torch.float64 else {"rel": 3e-6, "abs": 1e-6}
    )
    assert found.item() == pytest.approx(expected, **exact_to)
    exact_to = (
        {"rel": 1e-12, "abs": 1e-14} if dtype == torch.float64 else {"rel": 1e-5, "abs": 1e-6}
    )
    assert gradient.item() == pytest.approx(slope, **exact_to)
    # d log p/dl = x − E[x].
    mean = ContinuousBernoulli().mean(one).item()
    assert mean == pytest.approx(0.25 - slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("loc", "log_std"), list(itertools.product([-3.0, 0.4, 1e3], [-30.0, -7.0, 0.0, 9.0]))
)
def test_gaussian_of_reals_integrates_to_one(dtype, loc, log_std):
    likelihood = Gaussian(dequantize=False)
    std = float(np.exp(-7 + np.logaddexp(0, log_std + 7)))
    x, weights = gauss_legendre(loc - 9 * std, loc + 9 * std)
    log_density = of_one_pixel(likelihood, [(loc, log_std)], x, dtype)[0]
    total = (log_density.double().exp() * weights).sum().item()
    # In float32 the nodes themselves are rounded: of a deviation of 1e-3 around 1e3, to 6%.
    rounding = 6e-8 * max(1.0, abs(loc)) / std if dtype == torch.float32 else 0
    if rounding < 1e-2:
        assert total == pytest.approx(1, abs=1e-6 + 10 * rounding)
    assert log_density.isfinite().all()


@pytest.mark.parametrize("log_std", [-1e4, -7.0, -5.0])
def test_gaussian_of_reals_sums_to_one_over_the_float32_values(log_std):
    """Around 1000 they are 2⁻¹⁴ apart, a fifteenth of the smallest σ."""
    x = 1000 + torch.arange(-2000, 2001) * 2.0**-14
    log_density = of_one_pixel(Gaussian(dequantize=False), [(1e3, log_std)], x, torch.float32)
    assert (log_density.double().exp().sum() * 2.0**-14).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("log_std", [20.0, 1e4])
def test_gaussian_of_reals_integrates_to_one_at_the_largest_scale_in_float32(log_std):
    std = float(np.exp(20))
    x, weights = gauss_legendre(-9 * std, 9 * std)
    log_density = of_one_pixel(Gaussian(dequantize=False), [(0.4, log_std)], x, torch.float32)[0]
    assert (log_density.double().exp() * weights).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("log_std", [-30.0, -6.0, -4.0, -1.0, 2.0])
def test_dequantized_gaussian_is_below_the_mass_of_a_bin_and_near_it(log_std):
    std = float(np.exp(-7 + np.logaddexp(0, log_std + 7)))
    loc = 0.37
    bound = of_one_pixel(Gaussian(), [(loc, log_std)], LEVELS)[0]
    for k in range(60, 130):
        low, high = (abs(k / 255 - loc) + edge / 255 for edge in (-0.5, 0.5))
        with mpmath.workdps(60):
            tails = [mpmath.erfc(edge / (mpmath.sqrt(2) * std)) for edge in (low, high)]
            exact = float(mpmath.log((tails[0] - tails[1]) / 2))
        assert bound[k] <= exact + 1e-12
        if std > 0.02:
            assert bound[k] == pytest.approx(exact, abs=1e-3)
    assert bound.exp().sum() < 1 + 1e-12


def test_dequantized_gaussian_is_the_mean_over_uniform_noise():
    x, loc, std = 0.6, 0.58, 0.03
    u, weights = gauss_legendre(-0.5, 0.5)
    noisy = -0.5 * ((x + u / 255 - loc) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))
    expected = (noisy * weights).sum().item() - np.log(255)
    found = of_one_pixel(Gaussian(fixed_std=std), [[loc]], [x]).item()
    assert found == pytest.approx(expected, rel=1e-12)


@every
@pytest.mark.parametrize("dtype", TYPES)
def test_gradients_are_finite_at_extreme_parameters(likelihood, dtype):
    x = images_of(likelihood, (1, 8, 8), dtype)
    channels = likelihood.parameters_per_channel
    for size in (0.0, 1e-30, 1.0, 100.0, 1e5):
        for sign in (-1, 1):
            parameters = (sign * size * torch.rand(channels, 8, 8, dtype=dtype)).requires_grad_()
            log_prob = likelihood.to(dtype).log_prob(parameters, x)
            (gradient,) = torch.autograd.grad(log_prob, parameters)
            assert log_prob.isfinite()
            assert gradient.isfinite().all()


@every
def test_gradient_in_the_parameters_is_the_finite_difference(likelihood):
    likelihood = likelihood.double()
    channels = 2 * likelihood.parameters_per_channel
    x = images_of(likelihood, (2, 2, 1))
    parameters = torch.randn(3, channels, 2, 1, dtype=torch.float64)
    if isinstance(likelihood, Bernoulli):
        parameters.requires_grad_()
        assert torch.autograd.gradcheck(lambda p: likelihood.log_prob(p, x), parameters)
        return
    direction = torch.randn_like(parameters)
    step = 1e-6 * direction
    difference = likelihood.log_prob(parameters + step, x) - likelihood.log_prob(
        parameters - step, x
    )
    parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(likelihood.log_prob(parameters, x).sum(), parameters)
    expected = (difference / 2e-6).sum()
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-6, atol=1e-6)


@every
def test_channels_and_leading_axes_are_independent(likelihood):
    likelihood = likelihood.double()
    p = likelihood.parameters_per_channel
    x = images_of(likelihood)
    parameters = torch.randn(5, 3, 2 * p, 4, 4, dtype=torch.float64)
    together = likelihood.log_prob(parameters, x)
    assert together.shape == (5, 3)
    by_channel = parameters.unflatten(2, (p, 2))
    total = sum(likelihood.log_prob(by_channel[:, :, :, c], x[:, c : c + 1]) for c in range(2))
    torch.testing.assert_close(together, total)


@every
def test_mean_and_draws_agree(likelihood):
    likelihood = likelihood.double()
    p = likelihood.parameters_per_channel
    parameters = torch.randn(p, 1, 6, dtype=torch.float64)
    if isinstance(likelihood, DiscretizedLogistic | Gaussian):
        # Gaussian draws far from the first and last level, where they are cut.
        parameters[0] = torch.linspace(0.4, 0.6, 6)
        parameters[1:] = -3 - torch.rand(p - 1, 1, 6)
    generator = torch.Generator().manual_seed(1)
    draws = likelihood.sample(parameters.expand(20_000, p, 1, 6), generator)
    likelihood.check(draws)
    error = draws.std(0) / 20_000**0.5
    assert ((draws.mean(0) - likelihood.mean(parameters)).abs() < 5 * error + 1e-12).all()


@every
def test_draws_have_the_distribution_of_log_prob(likelihood):
    likelihood = likelihood.double()
    p = likelihood.parameters_per_channel
    parameters = torch.full((p, 1, 1), 0.3, dtype=torch.float64)
    if likelihood.accepts[0] == "bits":
        values = torch.tensor([0.0, 1.0])
    elif likelihood.measure == "mass":
        values = torch.tensor(LEVELS)
        parameters[1:] = torch.randn(p - 1, 1, 1)
        if isinstance(likelihood, Gaussian):
            parameters = torch.tensor([0.5, -2.5])[:p, None, None].double()
    else:
        pytest.skip("a density, see the test of its mean and of its integral")
    draws = likelihood.sample(parameters.expand(50_000, p, 1, 1), torch.Generator().manual_seed(0))
    mass = of_one_pixel(likelihood, parameters.view(1, p), values)[0].exp()
    counts = (draws.view(-1, 1) - values.double()).abs().lt(1e-3).double().mean(0)
    # A distance of distributions: 256 counts of 50,000 draws are off by about 0.03 in all.
    assert 0.5 * (counts - mass).abs().sum() < 0.05


def test_continuous_bernoulli_draws_at_any_logit():
    logits = torch.tensor([-1e5, -40.0, -1e-3, 0.0, 1e-9, 2e-3, 3.0, 200.0], dtype=torch.float64)
    parameters = logits.view(1, 1, -1)
    likelihood = ContinuousBernoulli()
    draws = likelihood.sample(parameters.expand(50_000, 1, 1, 8), torch.Generator().manual_seed(0))
    likelihood.check(draws)
    error = draws.std(0) / 50_000**0.5
    assert ((draws.mean(0) - likelihood.mean(parameters)).abs() < 5 * error).all()


@every
def test_initial_parameters_have_about_the_mean(likelihood):
    likelihood = likelihood.double()
    mean = torch.linspace(0.05, 0.95, 24, dtype=torch.float64).view(2, 3, 4)
    parameters = likelihood.initial_parameters(mean)
    assert parameters.shape == (2 * likelihood.parameters_per_channel, 3, 4)
    # The edge bins of discretized ones take what lies outside [0, 1].
    torch.testing.assert_close(likelihood.mean(parameters), mean, atol=0.08, rtol=0)
    edges = torch.tensor([2e-5, 1 - 2e-5], dtype=torch.float64).view(1, 1, 2)
    x = images_of(likelihood, (1, 1, 2))
    assert likelihood.log_prob(likelihood.initial_parameters(edges), x) > -100


@every
def test_other_values_are_refused(likelihood):
    likelihood.check(images_of(likelihood))
    wrong = {"bits": [0.5, torch.nan], "levels": [0.5, -1 / 255, 256 / 255, torch.nan, torch.inf]}
    reals = [torch.nan, torch.inf] if isinstance(likelihood, Gaussian) else [-0.01, 1.01, torch.nan]
    for value in wrong.get(likelihood.accepts[0], reals):
        x = images_of(likelihood)
        x[0, 0, 0, 0] = value
        with pytest.raises(ValueError, match="likelihood needs") as caught:
            likelihood.check(x)
        assert "\n" not in str(caught.value)


@every
def test_a_gradient_in_x_is_right_or_refused(likelihood):
    likelihood = likelihood.double()
    x = images_of(likelihood, (1, 2, 2)).requires_grad_()
    parameters = torch.randn(likelihood.parameters_per_channel, 2, 2, dtype=torch.float64)
    if isinstance(likelihood, DiscretizedLogistic | Categorical):
        with pytest.raises(ValueError, match="no derivative in x"):
            likelihood.log_prob(parameters, x)
        return
    (gradient,) = torch.autograd.grad(likelihood.log_prob(parameters, x), x)
    step = torch.full_like(x, 1e-6)
    with torch.no_grad():
        above, below = (likelihood.log_prob(parameters, x + s) for s in (step, -step))
    torch.testing.assert_close(gradient.sum(), (above - below) / 2e-6, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_is_documented(name):
    text = inspect.getdoc(LIKELIHOODS[name])
    assert ">>>" in text


def test_options_are_checked():
    with pytest.raises(ValueError, match="scale='own' is unknown"):
        DiscretizedLogistic(scale="own")
    with pytest.raises(ValueError, match="fixed_std=0"):
        Gaussian(fixed_std=0)
