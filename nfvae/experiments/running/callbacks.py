"""Callbacks of a run in a folder: signals, checkpoints, and rewinds after a NaN."""

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from nfvae.errors import DivergenceError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.storage.checkpoint import save_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Callback, Training, Validation, load_state_dict, state_dict
from nfvae.training.checks import checked


@dataclass(eq=False)
class StopOnSignal(Callback):
    """Stop training after a signal. It must be the first in the list of callbacks."""

    stop: StopRequest

    def on_step(self, training: Training) -> None:
        if self.stop:
            training.check_finite()  # a state that cannot be saved is rewound first
            self.stop.check()


@dataclass(eq=False)
class Checkpoints(Callback):
    """Write last.pt every `every` steps and at the end, and best.pt after a better validation."""

    folder: RunFolder
    every: int
    validation: Validation
    header: Mapping[str, Any]
    """Content of a checkpoint besides the state: configuration, image shape."""
    callbacks: Sequence[Callback]
    """All callbacks of the run."""
    before_save: Callable[[], None]
    """Flushes the logs to the disk."""

    def on_step(self, training: Training) -> None:
        if self.validation.improved and self.validation.step == training.step:
            with training.stopwatch.pause():
                good = good_state(training, self.callbacks)
                save_checkpoint(self.folder.best, {**self.header, **good})
        if training.step % self.every == 0 or training.finished:
            self.save(training, pending=False)

    def on_stop(self, training: Training) -> None:
        self.save(training, pending=training.pending)

    def save(self, training: Training, pending: bool) -> None:
        """Write last.pt; `pending`: whether callbacks of the last update have yet to run."""
        training.check_finite()
        with training.stopwatch.pause():
            self.before_save()
            state = state_dict(training, self.callbacks)
            save_checkpoint(self.folder.last, {**self.header, **state, "pending": pending})


@dataclass(eq=False)
class Rewind(Callback):
    """After a NaN, return to the last validation and continue with half the learning rate.

    Batches, bits and noise are repeated, so a run with a rewind is reproducible.
    """

    max_rewinds: int
    """0 disables them."""
    checkpoints: Checkpoints
    """Saves the state after a rewind. It is known to be good after a validation."""
    rewinds: int = field(default=0, init=False)
    _good: dict[str, Any] | None = field(default=None, init=False)

    def on_start(self, training: Training) -> None:
        if self.max_rewinds and self._good is None:
            self._mark_good(training)

    def on_step(self, training: Training) -> None:
        if self.max_rewinds and self.checkpoints.validation.due(training):
            self._mark_good(training)

    def on_divergence(self, training: Training, error: DivergenceError) -> bool:
        if not self.max_rewinds:
            return False
        rewinds = self.rewinds
        if rewinds >= self.max_rewinds:
            raise DivergenceError(
                f"{error}, with learning rates at {0.5**rewinds:g} of their schedule after "
                f"{rewinds} rewinds"
            ) from None
        seconds = training.stopwatch.seconds
        assert self._good is not None
        good = deepcopy(self._good)  # the optimizer keeps these tensors
        load_state_dict(training, self.checkpoints.callbacks, good)
        self.rewinds = rewinds + 1
        training.lr_scale = 0.5**self.rewinds
        training.stopwatch.go_on(seconds, training.step)
        self.checkpoints.save(training, pending=False)
        print(
            f"{error}; back to step {training.step} with learning rates at "
            f"{training.lr_scale:g} of their schedule (rewind {self.rewinds} of "
            f"{self.max_rewinds})",
            file=sys.stderr,
        )
        return True

    def _mark_good(self, training: Training) -> None:
        self._good = deepcopy(good_state(training, self.checkpoints.callbacks))

    def state_dict(self) -> dict[str, Any]:
        return {"rewinds": self.rewinds, "good": self._good}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rewinds = checked(state, "rewinds", int)
        if not 0 <= self.rewinds <= 1000:
            raise ValueError(f"rewinds={self.rewinds} is not in 0 … 1000")
        if self.max_rewinds and state["good"] is not None:
            self._good = checked(state, "good", dict)


def good_state(training: Training, callbacks: Sequence[Callback]) -> dict[str, Any]:
    """A state after all callbacks of its step, without the last good state that `Rewind` holds."""
    state = state_dict(training, callbacks)
    own = {Rewind.__name__: state["callbacks"][Rewind.__name__] | {"good": None}}
    return state | {"callbacks": state["callbacks"] | own, "pending": False}
