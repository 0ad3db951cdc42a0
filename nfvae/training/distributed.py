"""Data-parallel training: several processes train one model, each on its rows of every batch.

Each process, a rank, draws the whole batch and the whole noise, as one process would, and takes its
rows of both. `DistributedDataParallel` averages the gradients, so that all ranks make the update
that one process would make, up to rounding.
"""

from inspect import signature
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from nfvae.objective import Objective
from nfvae.training.meter import Meter
from nfvae.training.ranks import Ranks
from nfvae.vae import VAE

DROPOUT_SEEDS = 2**40  # between the seeds of two ranks; more than the steps of any run


def check_divisible(ranks: Ranks, vae: VAE, objective: Objective, batch_size: int) -> None:
    """Check that these ranks can compute the loss: a mean over images.

    Raises:
        ValueError: they cannot, or there are more processes than images.
    """
    if ranks.size == 1:
        return
    if batch_size < ranks.size:
        raise ValueError(
            f"batch_size={batch_size} is less than the {ranks.size} processes; use fewer"
        )
    if objective.free_bits:
        raise ValueError(
            f"free_bits={objective.free_bits} bounds the KL averaged over the whole batch, "
            "which none of several processes has; use free_bits=0 or one process"
        )
    if any(isinstance(module, _BatchNorm) for module in vae.modules()):
        raise ValueError(
            "BatchNorm averages over the whole batch, which none of several processes has; use "
            "another normalization or one process"
        )


class OwnRows(nn.Module):
    """The loss of this rank's rows; its gradient, averaged over ranks, is that of the batch.

    Loss and terms are multiplied by this rank's share of the images times the number of ranks, so
    that their means over ranks are those over the batch, also if it is not divisible.
    """

    def __init__(self, batch_loss: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        # Buffers are constants, equal on all ranks. torch has renamed the option.
        known = signature(DistributedDataParallel).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {name: False}
        # With a static graph, weights that a network does not use are no error.
        self.loss = DistributedDataParallel(batch_loss, static_graph=True, **options)

    def forward(self, x: Tensor, noise: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """As `BatchLoss.forward`, for the whole batch."""
        n, (rank, size) = len(x), (self.ranks.rank, self.ranks.size)
        start, end = rank * n // size, (rank + 1) * n // size
        loss, means = self.loss(x[start:end], noise[:, start:end], weight)
        scale = (end - start) * size / n
        return scale * loss, scale * means


class SharedMeter(Meter):
    """A meter of all ranks. Sums over ranks go to rank 0 at fixed steps, and the others start anew.

    Raises:
        RuntimeError: it is read at another step, when rank 0 has only its own part.
    """

    def __init__(
        self, names: tuple[str, ...], ranks: Ranks, num_steps: int, device: torch.device
    ) -> None:
        super().__init__(names, device)
        self.ranks = ranks
        self.num_steps = num_steps
        self._partial = False

    def add(self, step: int | Tensor, values: Tensor) -> None:
        super().add(step, values / self.ranks.size)

    def added(self, step: int) -> None:
        super().added(step)
        self._partial = True
        if (step + 1) % self.ranks.sync_every == 0 or step + 1 == self.num_steps:
            self.gather()

    def gather(self) -> None:
        """Sum over ranks; to be called by all of them."""
        if not self._partial:
            return
        distributed.all_reduce(self.sums)
        distributed.all_reduce(self.first_bad, distributed.ReduceOp.MIN)
        self._keep_on_first()

    def check(self) -> None:
        self._require_gathered()
        super().check()

    def pop(self) -> dict[str, float]:
        self._require_gathered()
        return super().pop()

    def state_dict(self) -> dict[str, Any]:
        self._require_gathered()
        return super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._keep_on_first()

    def _keep_on_first(self) -> None:
        if self.ranks.rank != 0:
            self.sums.zero_()
        self._partial = False

    def _require_gathered(self) -> None:
        if self._partial:
            raise RuntimeError(
                f"the meter is summed over processes every {self.ranks.sync_every} steps and "
                "cannot be read between them; give Ranks a sync_every that divides the callbacks' "
                "intervals"
            )
