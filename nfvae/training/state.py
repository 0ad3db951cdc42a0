"""What a training run is made of at a step, and its way into and out of a checkpoint."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from nfvae.data import BatchSchedule, Dataset, gather_batch, pixel_mean
from nfvae.experiments.config import Config, TrainerConfig
from nfvae.experiments.loading import does_not_fit, load_weights, make_vae
from nfvae.experiments.storage.same_run import check_same_run
from nfvae.objective import (
    ElboTerms,
    annealed_log_weight,
    annealing_beta,
    elbo_terms,
    importance_weighted,
)
from nfvae.training.compiled import compile_flow
from nfvae.training.meter import Meter
from nfvae.training.optimizers import learning_rate_course, make_optimizer, set_learning_rates
from nfvae.training.parameter_groups import parameter_groups

TERMS = ("loss", "neg_elbo", "distortion", "kl", "log_q0", "log_prior", "log_det", "grad_norm")
SCALARS = {
    "step": int,
    "best_neg_elbo": float,
    "best_step": int,
    "stale_validations": int,
    "train_seconds": float,
}


class TrainingState:
    """Model, optimizer, random generator and position; a step is a function of these and the data.

    Args:
        config: the run's.
        data: on `device`.
        device: where everything lives.
    """

    def __init__(self, config: Config, data: Dataset, device: torch.device) -> None:
        self.config = config
        self.data = data
        self.device = device
        self.schedule = BatchSchedule(
            len(data.train), config.trainer.batch_size, config.seed, device
        )
        torch.manual_seed(config.seed)  # weights are drawn on the CPU: the same on every device
        self.vae = make_vae(config, pixel_mean(data.train).cpu()).to(device)
        if config.trainer.compile:
            compile_flow(self.vae.flow, device)
        self.optimizer = make_optimizer(config.optim, parameter_groups(config.optim, self.vae))
        self.generator = torch.Generator(device).manual_seed(config.seed)
        self.meter = Meter(TERMS, device)
        self.step = 0
        self.best_neg_elbo = float("inf")
        self.best_step = 0
        self.train_seconds = 0.0
        self.stale_validations = 0
        self.rewinds = 0
        self.good: dict[str, Any] | None = None

    @property
    def max_steps(self) -> int:
        """Steps of the whole run."""
        return total_steps(self.config.trainer, self.schedule)

    @property
    def epoch(self) -> float:
        """Passes over the training split so far."""
        return self.step / self.schedule.steps_per_epoch

    @property
    def beta(self) -> float:
        """β of the step to come."""
        objective = self.config.objective
        if objective.annealing == "none":
            return 1.0
        return annealing_beta(self.step, objective.annealing_start, objective.annealing_steps)

    @property
    def lr_course(self) -> float:
        """What multiplies learning rates at the step to come: their course, halved by a rewind."""
        course = learning_rate_course(self.config.optim, self.step, self.max_steps)
        return course * 0.5**self.rewinds

    @property
    def learning_rates(self) -> dict[str, float]:
        """Of the step to come: `lr`, and `decoder_lr` where the decoder has its own."""
        peaks = {"lr": self.config.optim.lr, "decoder_lr": self.config.optim.decoder_lr}
        return {name: lr * self.lr_course for name, lr in peaks.items() if lr is not None}

    def train_step(self) -> None:
        """One update of the weights; its terms go to the meter."""
        objective, clip = self.config.objective, self.config.optim.grad_clip
        x = gather_batch(self.data.train, self.schedule.indices(self.step), self.generator)
        draw = self.vae.posterior(x).draw((objective.num_samples,), self.generator)
        terms = elbo_terms(self.vae, x, draw)
        log_weight = annealed_log_weight(terms, self.beta, objective.annealing)
        loss = -importance_weighted(log_weight).mean()

        self.optimizer.zero_grad()
        loss.backward()
        grad_norm = clip_grad_norm_(self.vae.parameters(), float("inf") if clip is None else clip)
        set_learning_rates(self.optimizer, self.lr_course)
        self.optimizer.step()

        means = ElboTerms(*(term.detach().mean() for term in terms))
        ll, prior, log_q0, log_det = means
        neg_elbo = -means.log_weight
        self.meter.add(
            self.step, [loss, neg_elbo, -ll, means.kl, log_q0, prior, log_det, grad_norm]
        )
        self.step += 1

    def _config_dict(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds: tensors and plain values to go on from bit for bit."""
        return {
            "config": self._config_dict(),
            "model": self.vae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "meter": self.meter.state_dict(),
            **{name: getattr(self, name) for name in SCALARS},
            "rewinds": self.rewinds,
            "good": self.good,
        }

    def load_state_dict(self, state: dict[str, Any], file: Path) -> None:
        """Go on from a checkpoint; `file` is named where it does not fit.

        Raises:
            RunFolderError: it is of another configuration.
            CheckpointError: it is of another model, or not one of a training run.
        """
        stored = state.get("config")
        check_same_run(file, stored if isinstance(stored, dict) else {}, self._config_dict())
        load_weights(self.vae, state.get("model", {}), file)
        try:
            self._load_optimizer(state["optimizer"])
            self.generator.set_state(state["generator"].cpu())
            self.meter.load_state_dict(state["meter"])
            for name, kind in SCALARS.items():
                setattr(self, name, _typed(name, state[name], kind))
            if self.step > self.max_steps:
                raise ValueError(f"step {self.step} of {self.max_steps}")
            self.rewinds = _typed("rewinds", state.get("rewinds", 0), int)
            if self.config.trainer.on_nan == "rewind":
                self.good = state.get("good")
        except (KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise does_not_fit(file, error) from None

    def _load_optimizer(self, stored: dict[str, Any]) -> None:
        """torch checks the number of weights alone, and a fused step trusts what it is given."""
        weights = [weight for own in self.optimizer.param_groups for weight in own["params"]]
        for index, moments in stored["state"].items():
            for name, value in moments.items():
                if not isinstance(value, Tensor) or value.shape not in ((), weights[index].shape):
                    raise ValueError(
                        f"the optimizer's {name} of weight {index} is of another shape"
                    )
        self.optimizer.load_state_dict(stored)

    def mark_good(self) -> None:
        """Make this the state that `rewind` goes back to; checkpoints hold it too."""
        self.good = None  # not one within the other
        self.good = deepcopy(self.state_dict())

    def rewind(self, file: Path) -> None:
        """Go back to the last good state, from now on with half the learning rate.

        Batches, bits and noise are the same again: a run with a rewind in it can be repeated too.
        """
        good, rewinds, seconds = self.good, self.rewinds + 1, self.train_seconds
        assert good is not None
        self.load_state_dict(deepcopy(good), file)  # the optimizer keeps the tensors it is given
        self.good, self.rewinds, self.train_seconds = good, rewinds, seconds


def _typed(name: str, value: Any, kind: type[int] | type[float]) -> Any:
    if type(value) is not kind or not value >= 0:
        raise TypeError(f"{name} is {value!r:.40}, must be {kind.__name__} and not negative")
    return value


def total_steps(config: TrainerConfig, schedule: BatchSchedule) -> int:
    """Steps of a whole run."""
    if config.max_epochs is None:
        return config.max_steps
    return config.max_epochs * schedule.steps_per_epoch
