"""The training loop."""

import sys
from contextlib import closing
from math import isfinite
from time import perf_counter

import torch

from nfvae.data import Split, gather_batch
from nfvae.errors import DivergenceError
from nfvae.evaluation import estimate_elbo
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.monitoring.metrics_log import MetricsLog
from nfvae.experiments.monitoring.model_log import flow_histograms, model_pictures
from nfvae.experiments.monitoring.progress import Progress
from nfvae.experiments.storage.checkpoint import save_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.objective import elbo_terms
from nfvae.training.state import TrainingState

# Validation uses the same noise each time, so that its course shows the model's change alone.
VALIDATION_SEED = 1
VALIDATION_DRAWS = 2
NUM_SHOWN = 1000  # images whose flow is logged
PICTURES = 5  # a run, at even distances


def fit(state: TrainingState, folder: RunFolder, stop: StopRequest) -> None:
    """Train from the state's step to the last, leaving last.pt in the folder, and best.pt.

    The latter where the run validates.

    Raises:
        Interrupted: `stop` was set; last.pt is of the step that was reached.
        DivergenceError: a term became NaN or infinite, once more than `trainer.on_nan` and
            `trainer.max_rewinds` let the run go back from; last.pt is from before.
    """
    if state.config.trainer.on_nan == "rewind" and state.good is None:
        state.mark_good()
    clock = Stopwatch(state)
    while not finished(state):
        try:
            _train(state, folder, stop, clock)
        except DivergenceError as error:
            clock.read()
            _rewind(state, folder, error)
            clock.start_lap()


def _train(state: TrainingState, folder: RunFolder, stop: StopRequest, clock: "Stopwatch") -> None:
    trainer = state.config.trainer
    with (
        closing(MetricsLog(folder.path, folder.metrics, state.step)) as log,
        closing(Progress("train", state.max_steps, state.step, trainer.progress)) as progress,
    ):
        if state.step == 0:
            log.config(state.config)
        while not finished(state):
            if stop:
                _save(state, folder, log, clock)
                stop.check()
            state.train_step()
            progress.advance()
            if state.step % trainer.log_every == 0:
                _check_finite(state)
                _log_training(state, log, progress, clock)
            at_end = state.step == state.max_steps
            if state.step % trainer.val_every == 0 or at_end:
                _check_finite(state)
                if state.data.val is not None:
                    _validate(state, state.data.val, folder, log, progress)
                _log_model(state, log, progress)
                if trainer.on_nan == "rewind":
                    state.mark_good()
                clock.start_lap()
            if state.step % trainer.checkpoint_every == 0 or finished(state):
                _save(state, folder, log, clock)
                clock.start_lap()


def _rewind(state: TrainingState, folder: RunFolder, error: DivergenceError) -> None:
    """Back to the last good state, if that is wanted and was not done too often."""
    trainer = state.config.trainer
    if trainer.on_nan == "stop":
        kept = f"{folder.last} is kept" if folder.last.exists() else "no checkpoint was due yet"
        raise DivergenceError(
            f"{error}; training stopped, {kept}; try lower learning rates or optim.grad_clip, or "
            "go on from there with trainer.on_nan=rewind"
        ) from None
    if state.rewinds == trainer.max_rewinds:
        raise DivergenceError(
            f"{error}, with learning rates at {0.5**state.rewinds:g} of their course after "
            f"{state.rewinds} rewinds (trainer.max_rewinds); {folder.last} is kept; "
            "try lower learning rates or optim.grad_clip in another run.dir"
        ) from None
    state.rewind(folder.last)
    save_checkpoint(folder.last, state.state_dict())
    print(
        f"{error}; back to step {state.step} with learning rates at {0.5**state.rewinds:g} of "
        f"their course (rewind {state.rewinds} of {trainer.max_rewinds})",
        file=sys.stderr,
    )


def finished(state: TrainingState) -> bool:
    """Whether the last step is done, or early stopping ends the run before it."""
    patience = state.config.trainer.early_stopping
    stopped_early = patience is not None and state.stale_validations >= patience
    return state.step >= state.max_steps or stopped_early


class Stopwatch:
    """Adds the time of this process to the state's training time, and measures its speed."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._last_read = perf_counter()
        self.start_lap()

    def read(self) -> None:
        """Add what has passed since the last reading."""
        now = perf_counter()
        self._state.train_seconds += now - self._last_read
        self._last_read = now

    def start_lap(self) -> None:
        """Measure the speed from here: what went before was no training."""
        self._lap_step, self._lap_time = self._state.step, perf_counter()

    def steps_per_second(self) -> float:
        """Of the lap, of at least one step; starts another."""
        step, time = self._lap_step, self._lap_time
        self.start_lap()
        return (self._lap_step - step) / (self._lap_time - time)


def _save(state: TrainingState, folder: RunFolder, log: MetricsLog, clock: Stopwatch) -> None:
    _check_finite(state)
    clock.read()
    log.sync()
    save_checkpoint(folder.last, state.state_dict())


def _check_finite(state: TrainingState) -> None:
    state.meter.check()
    for name, weight in state.vae.named_parameters():
        if not weight.isfinite().all():
            raise DivergenceError(f"weight {name} was not finite after step {state.step - 1}")


def _log_training(
    state: TrainingState, log: MetricsLog, progress: Progress, clock: Stopwatch
) -> None:
    means = state.meter.pop()  # waits for the device
    speed = clock.steps_per_second() * state.config.trainer.batch_size
    log.scalars(
        state.step,
        {f"train/{name}": value for name, value in means.items()}
        | {"train/beta": state.beta, "train/epoch": state.epoch}
        | {f"train/{name}": lr for name, lr in state.learning_rates.items()}
        | {"system/images_per_second": speed},
    )
    progress.show(
        neg_elbo=f"{means['neg_elbo']:.2f}",
        kl=f"{means['kl']:.2f}",
        beta=f"{state.beta:.2f}",
        images_s=f"{speed:.0f}",
    )


def _validate(
    state: TrainingState, val: Split, folder: RunFolder, log: MetricsLog, progress: Progress
) -> None:
    generator = torch.Generator(state.device).manual_seed(VALIDATION_SEED)
    estimate = estimate_elbo(state.vae, val, VALIDATION_DRAWS, generator)
    values = {
        "val/neg_elbo": estimate.neg_elbo,
        "val/distortion": estimate.distortion,
        "val/kl": estimate.kl,
        "val/log_det": estimate.sum_log_det,
        "val/active_units": float(estimate.active_units),
    }
    for name, value in values.items():
        if not isfinite(value):
            raise DivergenceError(f"{name} was not finite at step {state.step}")
    log.scalars(state.step, values)

    improved = estimate.neg_elbo < state.best_neg_elbo
    if improved:
        state.best_neg_elbo = estimate.neg_elbo
        state.best_step = state.step
    if state.beta == 1.0:
        state.stale_validations = 0 if improved else state.stale_validations + 1
    if improved:
        save_checkpoint(folder.best, state.state_dict() | {"good": None})
    progress.line(
        f"step {state.step:>7}  epoch {state.epoch:6.1f}  val −ELBO {estimate.neg_elbo:8.3f}"
        f"  KL {estimate.kl:6.2f}  active units {estimate.active_units}"
        + ("  best" if improved else "")
    )


def _log_model(state: TrainingState, log: MetricsLog, progress: Progress) -> None:
    """Its flow and its pictures, of validation images or, where there are none, training images.

    Of the latter the bound is no more than a sign that the model is sound.
    """
    generator = torch.Generator(state.device).manual_seed(VALIDATION_SEED)
    split = state.data.train if state.data.val is None else state.data.val
    with torch.inference_mode():
        x = gather_batch(split, torch.arange(NUM_SHOWN, device=state.device), generator)
        posterior = state.vae.posterior(x)
        log_dets = posterior.transform_log_dets(generator)
        if state.data.val is None:
            terms = elbo_terms(state.vae, x, posterior.draw((), generator))
            neg_elbo = -terms.log_weight.mean().item()
            if not isfinite(neg_elbo):
                raise DivergenceError(f"−ELBO was not finite at step {state.step}")
            progress.line(
                f"step {state.step:>7}  epoch {state.epoch:6.1f}  training −ELBO {neg_elbo:8.3f}"
            )
    if by_step := log_dets.mean(-1).tolist():
        named = {f"flow/log_det_step_{k:02}": v for k, v in enumerate(by_step, start=1)}
        log.scalars(state.step, named)
    log.histograms(state.step, flow_histograms(posterior, log_dets))
    if _pictures_due(state):
        shape = state.data.image_shape
        log.images(state.step, model_pictures(state.vae, split, shape, generator))


def _pictures_due(state: TrainingState) -> bool:
    every = max(1, state.max_steps // state.config.trainer.val_every // PICTURES)
    validation = state.step // state.config.trainer.val_every
    return validation % every == 0 or state.step == state.max_steps
