"""A run of several processes that torchrun started: rank 0 writes, all stop at the same step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from signal import Signals
from time import perf_counter

from nfvae.experiments.configuration.config import TrainerConfig
from nfvae.experiments.running.callbacks import Checkpoints, StopOnSignal
from nfvae.experiments.terminal.torchrun import place, write_to_terminal
from nfvae.training import Training
from nfvae.training.distributed import SharedMeter
from nfvae.training.ranks import Ranks, join

ASK_EVERY = 1.0  # seconds
MAX_STEPS = 100


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes of this run. Of an error that all have, the first to have it prints the line.

    Raises:
        LostRankError: another process ended or does not answer.
    """
    found = place()
    if found is None:
        yield Ranks()
        return
    with join(found.rank, found.size, found.local_rank) as ranks:
        try:
            yield ranks
        except Exception:
            write_to_terminal(ranks.claim("error"))
            raise


def sync_every(trainer: TrainerConfig) -> int:
    """Steps after which the meter is read: by the log, before a validation, or for a checkpoint."""
    return gcd(trainer.log_every, trainer.val_every, trainer.checkpoint_every)


@dataclass(eq=False)
class StopTogether(StopOnSignal):
    """Stop all ranks at the same step, after a signal to one of them or a NaN.

    They ask each other for signals about once a second, after a number of steps on which they
    agree. They look for a NaN whenever their meter is summed, also where rank 0 would not read it.
    """

    ranks: Ranks

    def on_start(self, training: Training) -> None:
        self._wait(training.step, 1)

    def on_step(self, training: Training) -> None:
        if training.step % self.ranks.sync_every == 0 or training.step == training.num_steps:
            training.check_finite()
        if training.step < self._next:
            return
        seconds = (perf_counter() - self._asked) / max(1, training.step - self._step)
        signal, slowest = self.ranks.maximum([float(self.stop.signal or 0), seconds])
        if signal:
            self.stop.signal = Signals(int(signal))
            assert isinstance(training.meter, SharedMeter)
            training.meter.gather()
            super().on_step(training)
        self._wait(training.step, max(1, min(MAX_STEPS, int(ASK_EVERY / slowest))))

    def _wait(self, step: int, steps: int) -> None:
        self._step, self._next, self._asked = step, step + steps, perf_counter()


class NoCheckpoints(Checkpoints):
    """In place of the checkpoints, on ranks that write nothing."""

    def on_step(self, training: Training) -> None:
        pass

    def save(self, training: Training, pending: bool) -> None:
        pass
