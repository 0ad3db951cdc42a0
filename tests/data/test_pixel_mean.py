import numpy as np
import torch

from nfvae.data import Dataset, mnist, pixel_mean


def test_pixel_mean_is_laplace_smoothed_and_has_finite_log_odds(dynamic: Dataset) -> None:
    mean = pixel_mean(dynamic.train)
    pixels = mnist.read_mnist_file(mnist.TRAIN_IMAGES)[:50_000].reshape(-1, 784)
    expected = (pixels.sum(0, dtype=np.int64) / 255 + 1) / 50_002
    assert mean.dtype == torch.float32
    assert np.allclose(mean.numpy(), expected, rtol=1e-6, atol=0)
    assert (pixels[:, 0] == 0).all()  # a corner no image inks
    assert torch.logit(mean).isfinite().all()
    assert torch.logit(mean).abs().max() < 10.9


def test_fixed_bits_have_the_mean_of_their_pixels(dynamic: Dataset, fixed: Dataset) -> None:
    grey, bits = pixel_mean(dynamic.train), pixel_mean(fixed.train)
    # Var of a mean of N independent bits is at most p(1−p)/N.
    z = (bits - grey) / (grey * (1 - grey) / 50_000).sqrt()
    assert z.abs().max() < 5
