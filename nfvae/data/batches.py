"""From steps to batches: which images, and their bits.

The images of a step are a function of (seed, step) alone, so that a resumed run needs to know no
more than its step to go on with the very batch that was next.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nfvae.data.binarize import bernoulli
from nfvae.data.dataset import Split
from nfvae.experiments.errors import ConfigError


def epoch_permutation(seed: int, epoch: int, n: int) -> Tensor:
    """Order of the n images in an epoch: int64 [n], a function of the arguments alone.

    SeedSequence mixes (seed, epoch), so that (0, 1) and (1, 0) have nothing in common, and
    RandomState's stream is frozen, so that an order never changes with numpy's version.

    Raises:
        ValueError: seed or epoch is negative.
    """
    mixed = np.random.MT19937(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    order = np.random.RandomState(mixed).permutation(n)
    return torch.from_numpy(order.astype(np.int64, copy=False))


class BatchSchedule:
    """Indices of the images of each step; steps are counted from 0.

    An epoch is a permutation cut into whole batches. Its last n mod batch_size images are dropped;
    they are others in every epoch.

    Args:
        n: images in the split.
        batch_size: images a step, at most n.
        seed: the run's; each epoch's order follows from it.
        device: where the indices are wanted; they go there once an epoch.

    Raises:
        ConfigError: batch_size is not in 1 … n.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        if not 1 <= batch_size <= n:
            raise ConfigError(
                f"trainer.batch_size={batch_size} does not fit; "
                f"allowed: 1 to {n}, the number of training images"
            )
        self.n = n
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self._cached: tuple[int, Tensor] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.n // self.batch_size

    def indices(self, step: int) -> Tensor:
        """Images of a step: int64 [batch_size], a view of the epoch's order."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        start = batch * self.batch_size
        return self._order(epoch)[start : start + self.batch_size]

    def _order(self, epoch: int) -> Tensor:
        if self._cached is None or self._cached[0] != epoch:
            order = epoch_permutation(self.seed, epoch, self.n).to(self.device)
            self._cached = epoch, order
        return self._cached[1]


def gather_batch(split: Split, index: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Bits of some images as float32 [B, 784] of 0 and 1.

    Args:
        split: where from.
        index: int64 [B], on the split's device.
        generator: for a redrawn split; on the split's device, None for torch's global one. Other
            splits take no random number.
    """
    pixels = split.pixels.index_select(0, index)
    bits = bernoulli(pixels, generator) if split.redrawn else pixels > 0
    return bits.float()


def batches_in_order(split: Split, batch_size: int) -> Iterator[Tensor]:
    """All images of a split whose bits are settled, once, as float32 [≤ batch_size, 784].

    Raises:
        ValueError: the split is redrawn: an evaluation of it would not be on the same images twice.
    """
    if split.redrawn:
        raise ValueError("a redrawn split has no settled bits to go through in order")
    for pixels in split.pixels.split(batch_size):
        yield (pixels > 0).float()
