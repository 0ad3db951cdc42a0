"""Callbacks of a run in a folder: signals, checkpoints, and rewinds after a NaN."""

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from nfvae.errors import DivergenceError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.storage.checkpoint import save_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Callback, Training, Validation, load_state_dict, state_dict
from nfvae.training.checks import checked


class StopOnSignal(Callback):
    """Stop training after a signal. It must be the first in the list of callbacks."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def on_step(self, training: Training) -> None:
        if self._stop:
            training.check_finite()  # a state that cannot be saved is rewound first
            self._stop.check()


class Checkpoints(Callback):
    """Write last.pt every `every` steps and at the end, and best.pt after a better validation.

    Args:
        folder: the run's folder.
        every: steps between saves.
        validation: the callback that knows the best model.
        header: content of a checkpoint besides the state: configuration, image shape.
        callbacks: all callbacks of the run.
        before_save: called before each save; flushes the logs to the disk.
    """

    def __init__(
        self,
        folder: RunFolder,
        every: int,
        validation: Validation,
        header: Mapping[str, Any],
        callbacks: Sequence[Callback],
        before_save: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._every = every
        self._validation = validation
        self._header = header
        self._callbacks = callbacks
        self._before_save = before_save

    def on_step(self, training: Training) -> None:
        if self._validation.improved and self._validation.step == training.step:
            with training.stopwatch.pause():
                good = good_state(training, self._callbacks)
                save_checkpoint(self._folder.best, {**self._header, **good})
        if training.step % self._every == 0 or training.finished:
            self.save(training, pending=False)

    def on_stop(self, training: Training) -> None:
        self.save(training, pending=training.pending)

    def save(self, training: Training, pending: bool) -> None:
        """Write last.pt; `pending`: whether callbacks of the last update have yet to run."""
        training.check_finite()
        with training.stopwatch.pause():
            self._before_save()
            state = state_dict(training, self._callbacks)
            save_checkpoint(self._folder.last, {**self._header, **state, "pending": pending})


class Rewind(Callback):
    """After a NaN, return to the last validation and continue with half the learning rate.

    Batches, bits and noise are repeated, so a run with a rewind is reproducible.

    Args:
        max_rewinds: largest number of rewinds; 0 disables them.
        validation: the callback after which the state is known to be good.
        checkpoints: saves the state after a rewind.
        callbacks: all callbacks of the run.
    """

    def __init__(
        self,
        max_rewinds: int,
        validation: Validation,
        checkpoints: Checkpoints,
        callbacks: Sequence[Callback],
    ) -> None:
        self._max_rewinds = max_rewinds
        self._validation = validation
        self._checkpoints = checkpoints
        self._callbacks = callbacks
        self.rewinds = 0
        self._good: dict[str, Any] | None = None

    def on_start(self, training: Training) -> None:
        if self._max_rewinds and self._good is None:
            self._mark_good(training)

    def on_step(self, training: Training) -> None:
        if self._max_rewinds and self._validation.due(training):
            self._mark_good(training)

    def on_divergence(self, training: Training, error: DivergenceError) -> bool:
        if not self._max_rewinds:
            return False
        rewinds = self.rewinds
        if rewinds >= self._max_rewinds:
            raise DivergenceError(
                f"{error}, with learning rates at {0.5**rewinds:g} of their schedule after "
                f"{rewinds} rewinds"
            ) from None
        seconds = training.stopwatch.seconds
        assert self._good is not None
        load_state_dict(training, self._callbacks, deepcopy(self._good))  # optimizers keep tensors
        self.rewinds = rewinds + 1
        training.lr_scale = 0.5**self.rewinds
        training.stopwatch.go_on(seconds, training.step)
        self._checkpoints.save(training, pending=False)
        print(
            f"{error}; back to step {training.step} with learning rates at "
            f"{training.lr_scale:g} of their schedule (rewind {self.rewinds} of "
            f"{self._max_rewinds})",
            file=sys.stderr,
        )
        return True

    def _mark_good(self, training: Training) -> None:
        self._good = deepcopy(good_state(training, self._callbacks))

    def state_dict(self) -> dict[str, Any]:
        return {"rewinds": self.rewinds, "good": self._good}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rewinds = checked(state, "rewinds", int)
        if not 0 <= self.rewinds <= 1000:
            raise ValueError(f"rewinds={self.rewinds} is not in 0 … 1000")
        if self._max_rewinds and state["good"] is not None:
            self._good = checked(state, "good", dict)


def good_state(training: Training, callbacks: Sequence[Callback]) -> dict[str, Any]:
    """A state after all callbacks of its step, without the last good state that `Rewind` holds."""
    state = state_dict(training, callbacks)
    own = {Rewind.__name__: state["callbacks"][Rewind.__name__] | {"good": None}}
    return state | {"callbacks": state["callbacks"] | own, "pending": False}
