"""Bits come up with probability pixel/255, and the fixed draw is the same for everybody."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nfvae.data import Dataset, mnist
from nfvae.data.binarize import bernoulli, fixed_bernoulli

FIXED_SHA256 = {
    "train": "939f5ddf308009a8c685de006d40ff4d335b14290be117369d06f8e47c0a2adf",
    "val": "b9d1e54c1c79272b5940ae19dd48d25ebb5e898ab6459453633daf2ea6f6414f",
    "test": "0a23c0489534297f37e7a28c03eb9884b0e8a7503c415f87b8c0e6a51c00130f",
}


def torch_draw(pixels: Tensor) -> Tensor:
    return bernoulli(pixels, torch.Generator().manual_seed(0))


def numpy_draw(pixels: Tensor) -> Tensor:
    bits = torch.from_numpy(fixed_bernoulli(pixels.numpy(), seed=0))
    assert set(bits.unique().tolist()) == {0, 255}
    return bits > 0


@pytest.mark.parametrize("draw", [torch_draw, numpy_draw])
def test_frequency_of_ones_is_pixel_over_255(draw: Callable[[Tensor], Tensor]) -> None:
    n = 100_000
    levels = torch.arange(256, dtype=torch.uint8)
    ones = draw(levels.expand(n, 256).contiguous()).sum(0).double()
    assert ones[0] == 0
    assert ones[255] == n
    p = torch.arange(1, 255).double() / 255
    z = (ones[1:255] - n * p) / (n * p * (1 - p)).sqrt()
    assert z.abs().max() < 5  # 254 normals stay below 5 but for 1.5 in 10,000 seeds
    # χ² of 254 degrees of freedom; pixel/256 in place of pixel/255 would add about 1,500.
    assert abs(z.square().sum() - 254) < 5 * (2 * 254) ** 0.5


@pytest.mark.parametrize("part", FIXED_SHA256)
def test_fixed_draw_is_pinned(fixed: Dataset, part: str) -> None:
    pixels = getattr(fixed, part).images.numpy()
    assert hashlib.sha256(pixels).hexdigest() == FIXED_SHA256[part]


def test_fixed_draw_of_real_images_has_their_ink(fixed: Dataset) -> None:
    p = mnist.read_mnist_file(mnist.TEST_IMAGES).reshape(-1, 1, 28, 28) / 255
    ones = int((fixed.test.images > 0).sum())
    assert abs(ones - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    certain = (p == 0) | (p == 1)
    assert np.array_equal((fixed.test.images.numpy() / 255)[certain], p[certain])


def test_dynamic_evaluates_on_the_fixed_draw(dynamic: Dataset, fixed: Dataset) -> None:
    assert torch.equal(dynamic.val.images, fixed.val.images)
    assert torch.equal(dynamic.test.images, fixed.test.images)
    assert [split.dynamic for split in (dynamic.train, dynamic.val, dynamic.test)] == [
        True,
        False,
        False,
    ]
    assert not fixed.train.dynamic


def test_dynamic_batches_differ_but_repeat_with_the_generator(dynamic: Dataset) -> None:
    index = torch.arange(100)
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    first = dynamic.train.batch(index, generator)
    second = dynamic.train.batch(index, generator)
    assert not torch.equal(first, second)
    generator.set_state(state)
    assert torch.equal(dynamic.train.batch(index, generator), first)


def test_fixed_batches_take_no_random_number(fixed: Dataset) -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    index = torch.tensor([7, 3, 3])
    batch = fixed.train.batch(index, generator)
    assert torch.equal(batch, fixed.train.images[index] / 255)
    assert torch.equal(generator.get_state(), state)


def test_batches_are_float_bits(dynamic: Dataset) -> None:
    for split in (dynamic.train, dynamic.test):
        batch = split.batch(torch.arange(10), torch.Generator())
        assert batch.dtype == torch.float32
        assert batch.shape == (10, 1, 28, 28)
        assert set(batch.unique().tolist()) == {0, 1}
