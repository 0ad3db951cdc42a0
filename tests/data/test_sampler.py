"""Position in the data is a function of (seed, step) alone."""

import pytest
import torch

from nfvae.data import BatchSampler
from nfvae.data.sampler import epoch_permutation


def test_an_epoch_is_a_permutation_and_a_function_of_its_arguments() -> None:
    order = epoch_permutation(seed=3, epoch=5, n=1000)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(1000))
    torch.manual_seed(99)
    assert torch.equal(epoch_permutation(seed=3, epoch=5, n=1000), order)


def test_permutation_is_pinned() -> None:
    """A checkpoint's step means the same images in every version of the libraries."""
    assert epoch_permutation(seed=0, epoch=0, n=10).tolist() == [4, 8, 3, 1, 5, 7, 2, 0, 6, 9]


def test_seed_and_epoch_are_mixed() -> None:
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32, 0), (2**32, 1), (0, 2), (2, 0)]
    orders = {tuple(epoch_permutation(seed, epoch, 100).tolist()) for seed, epoch in pairs}
    assert len(orders) == len(pairs)


def test_permutations_of_successive_epochs_look_independent() -> None:
    """A random permutation has one fixed point on average, whatever came before it."""
    orders = torch.stack([epoch_permutation(0, epoch, 500) for epoch in range(400)])
    fixed_points = (orders[1:] == orders[:-1]).sum(1).double()
    assert abs(fixed_points.mean() - 1) < 4 / 399**0.5


def test_an_epoch_has_no_repeats_and_drops_the_ragged_tail() -> None:
    sampler = BatchSampler(n=1003, batch_size=100, seed=0)
    assert sampler.steps_per_epoch == 10
    first = torch.cat([sampler.indices(step) for step in range(10)])
    second = torch.cat([sampler.indices(step) for step in range(10, 20)])
    for epoch in (first, second):
        assert epoch.unique().numel() == 1000
    dropped = [set(range(1003)) - set(epoch.tolist()) for epoch in (first, second)]
    assert dropped[0] != dropped[1]


def test_whole_epoch_is_covered_when_the_batch_divides_it() -> None:
    sampler = BatchSampler(n=60, batch_size=20, seed=0)
    seen = torch.cat([sampler.indices(step) for step in range(3, 6)])
    assert torch.equal(seen.sort().values, torch.arange(60))


def test_a_step_depends_on_no_earlier_step() -> None:
    straight = BatchSampler(n=50, batch_size=7, seed=4)
    batches = [straight.indices(step).clone() for step in range(30)]
    for step in (29, 3, 16, 3, 0):
        assert torch.equal(BatchSampler(n=50, batch_size=7, seed=4).indices(step), batches[step])
        assert torch.equal(straight.indices(step), batches[step])


@pytest.mark.parametrize("batch_size", [0, -1, 51])
def test_a_batch_that_does_not_fit_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=rf"^batch_size={batch_size} .* 1 to 50.*$"):
        BatchSampler(n=50, batch_size=batch_size, seed=0)


def test_a_batch_of_everything_fits() -> None:
    assert BatchSampler(n=50, batch_size=50, seed=0).indices(3).unique().numel() == 50


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        BatchSampler(n=50, batch_size=10, seed=-1).indices(0)
