"""Splits and data sets: means, passes in order, digests, and names."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nfvae.data import DATASETS, Dataset, Images, Split, binarized_dataset, load_dataset, mnist
from nfvae.data.dataset import digest
from nfvae.errors import DataError


def grey_images(n: int) -> Images:
    rng = np.random.default_rng(n)
    return Images(rng.integers(0, 256, (n, 3, 4, 5), dtype=np.uint8))


def small(binarization: str = "fixed", train_on_val: bool = False) -> Dataset:
    images = {"train": grey_images(30), "val": grey_images(20), "test": grey_images(10)}
    return binarized_dataset("small", images, binarization, train_on_val)  # type: ignore[arg-type]


def test_the_mean_is_laplace_smoothed_and_has_finite_log_odds(dynamic: Dataset) -> None:
    mean = dynamic.train.mean()
    pixels = mnist.read_mnist_file(mnist.TRAIN_IMAGES)[:50_000, None]
    expected = (pixels.sum(0, dtype=np.int64) / 255 + 1) / 50_002
    assert mean.dtype == torch.float32
    assert mean.shape == (1, 28, 28)
    assert np.allclose(mean.numpy(), expected, rtol=1e-6, atol=0)
    assert (pixels[:, 0, 0, 0] == 0).all()  # a corner without ink
    assert torch.logit(mean).isfinite().all()
    assert torch.logit(mean).abs().max() < 10.9


def test_fixed_bits_have_the_mean_of_their_levels(dynamic: Dataset, fixed: Dataset) -> None:
    grey, bits = dynamic.train.mean(), fixed.train.mean()
    # Var of a mean of N independent bits is at most p(1−p)/N.
    z = (bits - grey) / (grey * (1 - grey) / 50_000).sqrt()
    assert z.abs().max() < 5


def test_batches_go_through_a_fixed_split_once_in_order(dynamic: Dataset) -> None:
    batches = list(dynamic.test.batches(3000))
    assert [len(batch) for batch in batches] == [3000, 3000, 3000, 1000]
    assert torch.equal(torch.cat(batches), dynamic.test.images / 255)


def test_batches_of_a_dynamic_split_are_refused(dynamic: Dataset) -> None:
    with pytest.raises(ValueError, match="dynamically binarized"):
        next(dynamic.train.batches(100))


def test_any_image_shape_keeps_its_axes() -> None:
    data = small("dynamic")
    assert data.image_shape == (3, 4, 5)
    assert data.train.batch(torch.tensor([4, 2])).shape == (2, 3, 4, 5)
    channel = grey_images(30).pixels[:, 1].astype(float).mean(0) / 255
    assert np.allclose(data.train.mean()[1].numpy(), (channel * 30 + 1) / 32)


def test_an_empty_batch_is_empty() -> None:
    none = torch.empty(0, dtype=torch.int64)
    for binarization in ("dynamic", "fixed"):
        assert small(binarization).train.batch(none).shape == (0, 3, 4, 5)


def test_fixed_validation_bits_do_not_depend_on_training_on_them() -> None:
    separate, joined = small(), small(train_on_val=True)
    assert separate.val is not None
    assert torch.equal(joined.train.images[30:], separate.val.images)
    assert list(joined.splits) == ["train", "test"]


def test_equal_digests_are_equal_data() -> None:
    data = small()
    assert small().digest == data.digest
    others = [small("dynamic"), small(train_on_val=True)]
    assert len({data.digest, *(other.digest for other in others)}) == 3
    flipped = data.test.images.clone()
    flipped[3, 2, 1, 0] ^= 255
    assert digest(data.splits | {"test": replace(data.test, images=flipped)}) != data.digest
    turned = replace(data.test, images=data.test.images.transpose(1, 2).contiguous())
    assert digest(data.splits | {"test": turned}) != data.digest
    rows = replace(data.test, images=data.test.images.view(10, 1, 12, 5))  # the same bytes
    assert digest(data.splits | {"test": rows}) != data.digest


def test_binarizations_of_mnist_have_digests_of_their_own(dynamic: Dataset, fixed: Dataset) -> None:
    static = load_dataset("mnist", binarization="static")
    assert len({dynamic.digest, fixed.digest, static.digest}) == 3


def test_labels_move_with_images() -> None:
    split = Split(torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.tensor([4, 7]), dynamic=False)
    moved = split.to("meta")
    assert moved.images.device.type == "meta"
    assert moved.labels is not None
    assert moved.labels.device.type == "meta"


def test_a_registered_function_must_give_a_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "broken", lambda: 3)
    with pytest.raises(DataError, match=r"^data set 'broken' returned a int, not a Dataset$"):
        load_dataset("broken")


def test_levels_are_fractions_of_255() -> None:
    images = torch.arange(48, dtype=torch.uint8).view(2, 2, 3, 4) * 5
    split = Split(images, values="levels")
    expected = images.double() / 255
    for batch in (split.batch(torch.tensor([0, 1])), next(split.batches(2))):
        assert batch.dtype == torch.float32
        torch.testing.assert_close(batch.double(), expected, rtol=1e-6, atol=0)
        assert torch.equal((batch * 255).round().byte(), images)  # no level is lost
    torch.testing.assert_close(split.mean().double(), (expected.sum(0) + 1) / 4, rtol=1e-6, atol=0)


def test_reals_are_as_they_are() -> None:
    images = torch.randn(5, 1, 3, 3) - 7
    split = Split(images, values="reals")
    assert torch.equal(split.batch(torch.tensor([4, 0])), images[[4, 0]])
    assert torch.equal(torch.cat(list(split.batches(2))), images)
    torch.testing.assert_close(split.mean(), images.mean(0))


def test_a_data_set_has_its_splits_kind_of_values() -> None:
    split = Split(torch.randn(5, 1, 3, 3), values="reals")
    data = Dataset("normal", split, None, split, binarization="none", digest="")
    assert data.values == "reals"
    assert small().values == "bits"
