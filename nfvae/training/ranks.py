"""Several processes that work on one run, and what they tell each other. torchrun starts them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from nfvae.errors import NfvaeError, StopTraining

P = TypeVar("P")
R = TypeVar("R")

TIMEOUT = timedelta(minutes=30)  # ranks wait for the first one to load, save and draw pictures
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
