"""Data-parallel training: several processes train one model, each on its rows of every batch.

Each process, a rank, draws the whole batch and the whole noise, as one process would, and takes its
rows of both. `DistributedDataParallel` averages the gradients, so that all ranks make the update
that one process would make, up to rounding. torchrun starts the processes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from nfvae.errors import NfvaeError, StopTraining
from nfvae.objective import Objective
from nfvae.training.meter import Meter
from nfvae.vae import VAE

if TYPE_CHECKING:
    from nfvae.training.state import Training

P = TypeVar("P")
R = TypeVar("R")

TIMEOUT = timedelta(minutes=30)  # ranks wait for the first one to load, save and draw pictures
DROPOUT_SEEDS = 2**40  # between the seeds of two ranks; more than the steps of any run
LOST = re.compile("gloo|nccl|connection|socket|timed out|timeout|broken pipe", re.IGNORECASE)


class LostRankError(NfvaeError):
    """Another process of the run ended or no longer answers."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model, and the place of this one; by default it is alone.

    Methods that communicate must be called by all ranks, in the same order.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        local_rank: number of this process on its machine, which is that of its GPU.
        sync_every: steps between the sums of the meters. Only after these steps, and after the
            last, can callbacks read the meter of rank 0.
        store: where the processes meet, torch's `Store`.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    sync_every: int = 1
    store: Any = None

    def check(self, vae: VAE, objective: Objective, batch_size: int) -> None:
        """Check that several processes can compute the loss: a mean over images.

        Raises:
            ValueError: they cannot, or there are more processes than images.
        """
        if self.size == 1:
            return
        if batch_size < self.size:
            raise ValueError(
                f"batch_size={batch_size} is less than the {self.size} processes; use fewer"
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

    def divide(self, training: "Training") -> None:
        """Make each update of this training that of all ranks together.

        Raises:
            ValueError: as `check`.
        """
        if self.size == 1:
            return
        self.check(training.vae, training.objective, training.sampler.batch_size)
        training.batch_loss = OwnRows(training.batch_loss, self)
        training.meter = SharedMeter(
            training.meter.names, self, training.num_steps, training.device
        )
        training.dropout_seed += self.rank * DROPOUT_SEEDS

    def from_first(self, compute: Callable[[], R]) -> R:
        """What `compute` returns, or the NfvaeError or StopTraining it raises, on rank 0."""
        if self.size == 1:
            return compute()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome = [compute(), None]
            except (NfvaeError, StopTraining) as error:
                outcome = [None, error]
        distributed.broadcast_object_list(outcome, device=torch.device("cpu"))
        if outcome[1] is not None:
            raise outcome[1]
        result: R = outcome[0]
        return result

    def together(self, compute: Callable[[], R]) -> R:
        """What `compute` returns on this rank. If it fails on one rank, all ranks raise its error.

        Raises:
            NfvaeError, StopTraining: that of the first rank that has one.
        """
        if self.size == 1:
            return compute()
        result, error = None, None
        try:
            result = compute()
        except (NfvaeError, StopTraining) as raised:
            error = raised
        for each in self._gathered(error):
            if each is not None:
                raise each
        return result  # type: ignore[return-value]  # compute's, since there was no error

    def spread(self, work: Callable[[Sequence[P]], list[R]], pieces: Sequence[P]) -> list[R]:
        """`work(pieces)`, for which each rank works on its share; errors as in `together`."""
        own = pieces[self.rank :: self.size]
        shares = self._gathered(self.together(lambda: work(own)))
        return [shares[i % self.size][i // self.size] for i in range(len(pieces))]

    def maximum(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over ranks."""
        tensor = torch.tensor(values, dtype=torch.float64)
        if self.size > 1:
            distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
        largest: list[float] = tensor.tolist()
        return largest

    @contextmanager
    def on_first(self, manager: AbstractContextManager[object]) -> Iterator[None]:
        """Enter a context on rank 0 only, before the other ranks go on."""
        with ExitStack() as stack:

            def enter() -> None:
                stack.enter_context(manager)

            self.from_first(enter)
            yield

    def claim(self, name: str) -> bool:
        """Whether this is the first rank to claim this name; the others need not answer."""
        if self.store is None:
            return True
        try:
            return bool(self.store.add(name, 1) == 1)
        except RuntimeError:  # torchrun has ended
            return self.rank == 0

    def _gathered(self, value: R) -> list[R]:
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values


ALONE = Ranks()


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


@contextmanager
def join(rank: int, size: int, local_rank: int) -> Iterator[Ranks]:
    """Join the other processes; torchrun has set the address where they meet.

    Args:
        rank: number of this process.
        size: number of processes.
        local_rank: number of this process on its machine.

    Raises:
        LostRankError: another process ended, or did not answer for 30 minutes.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, *_ = next(rendezvous("env://", rank, size, timeout=TIMEOUT))
    distributed.init_process_group(
        backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT
    )
    ranks = Ranks(rank, size, local_rank, store=store)
    try:
        yield ranks
    except StopTraining:
        # torchrun kills the others 30 s after the first one ends: all wait for the last save.
        with suppress(RuntimeError):
            ranks.maximum([0])
        raise
    except RuntimeError as error:
        if LOST.search(str(error)):
            raise LostRankError(
                f"another of the {size} processes ended or does not answer; what was saved is "
                "intact: give the same command again to resume"
            ) from error
        raise
    else:
        distributed.destroy_process_group()
