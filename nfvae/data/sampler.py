"""Which images each training step uses.

They depend only on (seed, step), so a resumed run needs only its step to continue with the next
batch.
"""

import numpy as np
import torch
from torch import Tensor


def epoch_permutation(seed: int, epoch: int, n: int) -> Tensor:
    """Order of the n images in an epoch: int64 [n], a function of the arguments alone.

    SeedSequence mixes (seed, epoch), so that (0, 1) and (1, 0) are unrelated, and
    RandomState's stream is the same in every version of numpy.

    Raises:
        ValueError: seed or epoch is negative.
    """
    mixed = np.random.MT19937(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    order = np.random.RandomState(mixed).permutation(n)
    return torch.from_numpy(order.astype(np.int64, copy=False))


class BatchSampler:
    """Indices of the images of each training step; steps are counted from 0.

    An epoch is a permutation cut into whole batches. Its last n mod batch_size images are dropped;
    they differ from epoch to epoch.

    Args:
        n: images in the split.
        batch_size: images per step, at most n.
        seed: determines the order of each epoch.
        device: device of the indices.

    Raises:
        ValueError: batch_size is not in 1 … n.

    >>> sampler = BatchSampler(n=50_000, batch_size=100, seed=0)
    >>> sampler.indices(0).shape, sampler.steps_per_epoch
    (torch.Size([100]), 500)
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        if not 1 <= batch_size <= n:
            raise ValueError(
                f"batch_size={batch_size} does not fit; allowed: 1 to {n}, the number of training "
                "images"
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
            order = epoch_permutation(self.seed, epoch, self.n).to(self.device, non_blocking=True)
            self._cached = epoch, order
        return self._cached[1]
