"""Estimates of many images on several cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from threading import Event
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from nfvae.data import Split

P = TypeVar("P")
R = TypeVar("R")
Report = Callable[[int], None]


class Spread(Protocol):
    """`work(pieces)`, by this process or by several; called by all of them."""

    def __call__(self, work: Callable[[Sequence[P]], list[R]], pieces: Sequence[P]) -> list[R]:
        """The results of all pieces, in order."""


def here(work: Callable[[Sequence[P]], list[R]], pieces: Sequence[P]) -> list[R]:
    """`work(pieces)`, by this process."""
    return work(pieces)


class _StoppedError(Exception):
    """Another piece failed, or the caller wants no more results."""


def map_images(
    estimate: Callable[[Tensor, torch.Generator, Report], R],
    split: Split,
    batch_size: int,
    generator: torch.Generator,
    on_rows: Report,
    spread: Spread = here,
) -> list[R]:
    """`estimate(x, generator, report)` of each batch x of a split, in order.

    On a CPU, `torch.get_num_threads()` batches are estimated at the same time. Each batch has a
    generator of its own, so that results do not depend on the number of threads.

    Args:
        estimate: calls `report(n)` after each n decoded samples.
        split: not dynamic.
        batch_size: images in a batch.
        generator: determines the batches' generators.
        on_rows: called in the calling thread with each n.
        spread: distributes the batches over processes.

    Raises:
        ValueError: the split is dynamic.
    """
    device = generator.device
    batches = split.images.split(batch_size)
    pieces = [replace(split, images=images, labels=None) for images in batches]
    seeds = torch.randint(2**62, (len(pieces),), generator=generator, device=device).tolist()

    def work(piece: tuple[Split, int], report: Report) -> R:
        part, seed = piece
        (x,) = part.batches(batch_size)
        return estimate(x, torch.Generator(device).manual_seed(seed), report)

    num_threads = torch.get_num_threads() if device.type == "cpu" else 1
    return spread(
        lambda own: map_in_threads(work, own, num_threads, on_rows),
        list(zip(pieces, seeds, strict=True)),
    )


def map_in_threads(
    work: Callable[[P, Report], R], pieces: Sequence[P], num_threads: int, on_progress: Report
) -> list[R]:
    """`work(piece, report)` of each piece, in order, without gradients.

    Each thread uses one core. That is faster than several cores for each operation: threads do not
    wait for each other, which is slow where other processes use the same cores.

    Args:
        work: calls `report(n)` after each portion of a piece.
        pieces: the arguments of `work`.
        num_threads: pieces at the same time.
        on_progress: called in the calling thread with each n; an exception of it stops all pieces
            after their present portion.

    Raises:
        BaseException: the first exception of `work` or `on_progress`.
    """
    reports: SimpleQueue[int | BaseException | None] = SimpleQueue()
    stopped = Event()

    def report(amount: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        reports.put(amount)

    @torch.inference_mode()
    def run(piece: P) -> R:
        try:
            result = work(piece, report)
        except BaseException as error:
            reports.put(error)
            raise
        reports.put(None)
        return result

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(num_threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = [pool.submit(run, piece) for piece in pieces]
        unfinished = len(futures)
        while unfinished:
            message = reports.get()
            if isinstance(message, BaseException):
                raise message
            if message is None:
                unfinished -= 1
            else:
                on_progress(message)
        return [future.result() for future in futures]
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # a thread's setting also sets that of MKL for all threads
