"""Callbacks of `fit`, which it calls between updates."""

from collections.abc import Callable
from math import inf, isfinite
from typing import Any

import torch

from nfvae.errors import DivergenceError
from nfvae.evaluation import ElboEstimate, estimate_elbo
from nfvae.evaluation.mode import evaluation_mode
from nfvae.evaluation.threads import Spread, here
from nfvae.objective import elbo_terms
from nfvae.seeds import stream_seed
from nfvae.training.checks import checked, checked_count
from nfvae.training.state import Training


class Callback:
    """Base class of callbacks, which `fit` calls between updates. Its methods do nothing.

    The callbacks run in the order of the list. State that a resumed run needs is saved by
    `state_dict` and restored by `load_state_dict`, under the name of the callback's class, so only
    one callback of a class can have state.

    >>> class StopAt(Callback):
    ...     def on_step(self, training):
    ...         training.stopped_early = training.step == 2
    >>> from nfvae import VAE, Bernoulli, Planar, fit, load_dataset, networks
    >>> data = load_dataset("mnist")
    >>> encoder, decoder = networks.mlp(data.image_shape, latent_dim=2, hidden=[20])
    >>> vae = VAE(encoder, Planar(2, 4), decoder, Bernoulli())
    >>> fit(vae, data, num_steps=100, callbacks=[StopAt()]).step
    2
    """

    def on_start(self, training: Training) -> None:
        """Called when training starts at `training.step`, and after a rewind."""

    def on_step(self, training: Training) -> None:
        """Called after each update; `training.step` includes it."""

    def on_divergence(self, training: Training, error: DivergenceError) -> bool:
        """Called when a NaN or an infinity was found.

        Returns:
            True if the callback has restored a valid state, from which training continues.
        """
        return False

    def on_stop(self, training: Training) -> None:
        """Called when a callback has raised `StopTraining`."""

    def close(self) -> None:
        """Called when `fit` ends, normally or by an exception."""

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs: tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class Validation(Callback):
    """Estimate −ELBO on the validation images, always at β = 1 and with the same noise.

    Without validation images, it only checks that −ELBO of training images is finite.

    Args:
        every: steps between validations; the last step is always validated.
        num_samples: samples of z per image.
        patience: stop after this many validations without a better −ELBO, counted after annealing;
            None never stops.
        on_rows: called with the number of decoded samples after each portion; it may raise.
        spread: distributes the images over processes.

    Attributes:
        estimate: the last result; None before the first validation.
        step: the step of the last validation; 0 before the first.
        improved: whether the last validation was the best so far.
        best_neg_elbo: the best −ELBO so far, in nats.
        best_step: the step of the best −ELBO.

    >>> from nfvae import VAE, Bernoulli, Planar, fit, load_dataset, networks
    >>> data = load_dataset("mnist")
    >>> encoder, decoder = networks.mlp(data.image_shape, latent_dim=2, hidden=[20])
    >>> vae = VAE(encoder, Planar(2, 4), decoder, Bernoulli())
    >>> validation = Validation(every=2, num_samples=1)
    >>> training = fit(vae, data, num_steps=2, callbacks=[validation])
    >>> validation.step, validation.estimate.neg_elbo == validation.best_neg_elbo
    (2, True)
    """

    def __init__(
        self,
        every: int,
        num_samples: int = 2,
        patience: int | None = None,
        on_rows: Callable[[int], None] = lambda rows: None,
        spread: Spread = here,
    ) -> None:
        if every < 1:
            raise ValueError(f"every={every} must be at least 1")
        self.every = every
        self.num_samples = num_samples
        self.patience = patience
        self.on_rows = on_rows
        self.spread = spread
        self.estimate: ElboEstimate | None = None
        self.improved = False
        self.step = 0
        self.best_neg_elbo = inf
        self.best_step = 0
        self.stale = 0
        """Validations since the best one."""

    def due(self, training: Training) -> bool:
        """Whether this step is validated."""
        at_end = training.step == training.num_steps
        return training.step % self.every == 0 or at_end

    def on_step(self, training: Training) -> None:
        if not self.due(training):
            return
        training.check_finite()
        if training.data.val is None:
            with training.stopwatch.pause():
                _check_training_bound(training)
            return
        with training.stopwatch.pause():
            generator = torch.Generator(training.device).manual_seed(stream_seed(0, "validation"))
            self.estimate = estimate_elbo(
                training.vae,
                training.data.val,
                self.num_samples,
                generator,
                self.on_rows,
                self.spread,
            )
        if not isfinite(self.estimate.neg_elbo):
            raise DivergenceError(f"validation −ELBO was not finite at step {training.step}")
        self.step = training.step
        self.improved = self.estimate.neg_elbo < self.best_neg_elbo
        if self.improved:
            self.best_neg_elbo, self.best_step = self.estimate.neg_elbo, self.step
        if training.objective.annealing_factor(training.step) == 1.0:
            self.stale = 0 if self.improved else self.stale + 1
        if self.patience is not None and self.stale >= self.patience:
            training.stopped_early = True

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "best_neg_elbo": self.best_neg_elbo,
            "best_step": self.best_step,
            "stale": self.stale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = checked_count(state, "step")
        self.best_neg_elbo = checked(state, "best_neg_elbo", float)
        if not self.best_neg_elbo > -inf:  # it is inf before the first validation
            raise ValueError(f"best_neg_elbo is {self.best_neg_elbo}")
        self.best_step = checked_count(state, "best_step")
        self.stale = checked_count(state, "stale")


@torch.inference_mode()
def _check_training_bound(training: Training, num_images: int = 1000) -> None:
    """Without validation images, check −ELBO on training images."""
    train = training.data.train
    generator = torch.Generator(training.device).manual_seed(stream_seed(0, "validation"))
    index = torch.arange(min(num_images, len(train)), device=training.device)
    x = train.batch(index, generator)
    with evaluation_mode(training.vae):
        draw = training.vae.posterior(x, validate_args=False).draw((1,), generator)
        neg_elbo = -elbo_terms(training.vae, x, draw).log_weight.mean()
    if not neg_elbo.isfinite():
        raise DivergenceError(f"−ELBO was not finite at step {training.step}")


class PrintProgress(Callback):
    """Print a line with the mean training −ELBO since the last line.

    Args:
        every: steps between lines.

    >>> from nfvae import VAE, Bernoulli, Planar, fit, load_dataset, networks
    >>> data = load_dataset("mnist")
    >>> encoder, decoder = networks.mlp(data.image_shape, latent_dim=2, hidden=[20])
    >>> vae = VAE(encoder, Planar(2, 4), decoder, Bernoulli())
    >>> training = fit(vae, data, num_steps=2, callbacks=[PrintProgress(every=2)])
    step       2  −ELBO  ... nats  KL   ...  ... steps/s
    """

    def __init__(self, every: int = 100) -> None:
        self.every = every

    def on_step(self, training: Training) -> None:
        if training.step % self.every == 0:
            training.check_finite()
            means = training.meter.pop()
            speed = training.stopwatch.steps_per_second(training.step)
            print(
                f"step {training.step:>7}  −ELBO {means['neg_elbo']:8.3f} nats"
                f"  KL {means['kl']:6.2f}  {speed:.0f} steps/s"
            )
