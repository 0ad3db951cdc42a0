"""The state of a training run, and its update."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import get_total_norm

from nfvae.data import BatchSampler, Dataset
from nfvae.errors import DivergenceError
from nfvae.objective import Objective
from nfvae.precision import Precision
from nfvae.seeds import stream_seed
from nfvae.training.batch_loss import TERMS, BatchLoss
from nfvae.training.checks import check_optimizer_state, check_weights, checked
from nfvae.training.cuda_graph import GraphedUpdate, check_cuda_graph
from nfvae.training.distributed import (
    DROPOUT_SEEDS,
    OwnRows,
    SharedMeter,
    check_divisible,
)
from nfvae.training.meter import Meter
from nfvae.training.ranks import ALONE, Ranks
from nfvae.training.schedule import Schedule, constant, keep_peak_rates, set_learning_rates
from nfvae.training.stopwatch import Stopwatch
from nfvae.vae import VAE


class Training:
    """Model, optimizer, random state and step of a run. `fit` makes one; callbacks read it.

    It puts the model into training mode. If it has dropout, each update seeds torch's global
    generator.

    Args: those of `fit`.

    Raises:
        ValueError: the data do not fit the model, the batch size the data, or a CUDA graph the
            device or the optimizer.

    Attributes:
        step: updates done.
        meter: means of the bound's terms since they were last read.
        stopwatch: training time and speed.
        lr_scale: an additional factor of the learning rate, reduced by rewinds.
        stopped_early: whether a callback ended the run before its last step.
        pending: whether the callbacks of the last update have yet to run.

    A custom loop:

    >>> from nfvae import VAE, Bernoulli, Planar, load_dataset, networks
    >>> data = load_dataset("mnist")
    >>> encoder, decoder = networks.mlp(data.image_shape, latent_dim=2, hidden=[20])
    >>> training = Training(VAE(encoder, Planar(2, 4), decoder, Bernoulli()), data, num_steps=3)
    >>> while not training.finished:
    ...     training.update()
    >>> training.step, list(training.meter.pop())[:3]
    (3, ['loss', 'neg_elbo', 'distortion'])
    """

    def __init__(
        self,
        vae: VAE,
        data: Dataset,
        num_steps: int,
        *,
        batch_size: int = 100,
        optimizer: optim.Optimizer | None = None,
        schedule: Schedule = constant,
        grad_clip: float | None = None,
        objective: Objective | None = None,
        seed: int = 0,
        generator: torch.Generator | None = None,
        compile: bool = False,
        precision: Precision = "float32",
        ranks: Ranks = ALONE,
        cuda_graph: bool = False,
    ) -> None:
        vae.check_data(data.image_shape, data.values)
        self.device = next(vae.parameters()).device
        self.vae = vae.train()
        self.weights = list(vae.parameters())
        self.has_dropout = any(isinstance(module, _DropoutNd) for module in vae.modules())
        self.data = data.to(self.device)
        self.num_steps = num_steps
        self.optimizer = optimizer or optim.AdamW(
            vae.parameters(), lr=1e-3, weight_decay=0.0, fused=True
        )
        keep_peak_rates(self.optimizer)
        self.schedule = schedule
        self.grad_clip = float("inf") if grad_clip is None else grad_clip
        self.objective = objective or Objective()
        self.batch_loss: nn.Module = BatchLoss(vae, self.objective, precision)
        if compile:
            self.batch_loss.compile(dynamic=False)
        self.meter = Meter((*TERMS, "grad_norm"), self.device)
        if ranks.size > 1:
            check_divisible(ranks, vae, self.objective, batch_size)
            if compile:
                raise ValueError("compile=True is for one process, without ranks")
            self.batch_loss = OwnRows(self.batch_loss, ranks)
            self.meter = SharedMeter(self.meter.names, ranks, num_steps, self.device)
        self.sampler = BatchSampler(len(data.train), batch_size, seed, self.device)
        self.generator = generator or torch.Generator(self.device).manual_seed(
            stream_seed(seed, "training")
        )
        self.dropout_seed = stream_seed(seed, "dropout") + ranks.rank * DROPOUT_SEEDS
        self._graphed: GraphedUpdate | None = None
        if cuda_graph:
            check_cuda_graph(self.device, self.optimizer, ranks.size)
            self._graphed = GraphedUpdate(
                self.run_update, self.optimizer, self.generator, self.device
            )
        self.stopwatch = Stopwatch()
        self.step = 0
        self.lr_scale = 1.0
        self.stopped_early = False
        self.pending = False

    @property
    def finished(self) -> bool:
        """Whether training is complete or was stopped early."""
        return self.stopped_early or self.step >= self.num_steps

    @property
    def epoch(self) -> float:
        """Passes over the training split so far."""
        return self.step / self.sampler.steps_per_epoch

    @property
    def beta(self) -> float:
        """Weight of the KL (with energy annealing, of log p(x, z)) at the next step."""
        return self.objective.weight(self.step)

    @property
    def lr_factor(self) -> float:
        """Factor of the learning rates at the next step."""
        return self.schedule(self.step) * self.lr_scale

    def update(self) -> None:
        """One update of the weights; the terms of the bound go to the meter."""
        if self.has_dropout:
            # Dropout uses torch's global generator. Its seed is a function of the step, so that a
            # resumed run drops the same units.
            torch.manual_seed(self.dropout_seed + self.step)
        set_learning_rates(self.optimizer, self.lr_factor)
        index = self.sampler.indices(self.step)
        if self._graphed is None:
            self.run_update(index, torch.tensor(self.beta), self.step)
        else:
            self._graphed(index, self.beta, self.step)
        self.meter.added(self.step)
        self.step += 1
        self.pending = True

    def run_update(self, index: Tensor, weight: Tensor, step: int | Tensor) -> None:
        """The operations of an update. On a GPU, none of them waits for a value from it.

        Args:
            index: images of the batch, int64 [B].
            weight: the objective's weight, a scalar.
            step: the number of the update, for the meter.
        """
        x = self.data.train.batch(index, self.generator)
        shape = (self.objective.num_samples, len(x), self.vae.latent_dim)
        noise = torch.randn(shape, dtype=x.dtype, device=self.device, generator=self.generator)
        loss, means = self.batch_loss(x, noise, weight)

        for parameter in self.weights:
            parameter.grad = None  # as optimizer.zero_grad(), in a fraction of the time
        loss.backward()
        grad_norm = clip_gradients(self.weights, self.grad_clip)
        self.optimizer.step()
        self.meter.add(step, torch.cat([means, grad_norm.view(1)]))

    def check_finite(self) -> None:
        """Raise a DivergenceError if a term or a weight is not finite."""
        self.meter.check()
        names, weights = zip(*self.vae.named_parameters(), strict=True)
        finite = torch.stack([weight.isfinite().all() for weight in weights])
        for name, is_finite in zip(names, finite.tolist(), strict=True):  # one copy from the device
            if not is_finite:
                raise DivergenceError(f"weight {name} was not finite after step {self.step - 1}")

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which a custom loop resumes bit for bit.

        `nfvae.training.state_dict` adds the callbacks' state, which `fit` needs.
        """
        return {
            "model": self.vae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "meter": self.meter.state_dict(),
            "step": self.step,
            "seconds": self.stopwatch.seconds,
            "lr_scale": self.lr_scale,
            "stopped_early": self.stopped_early,
            "pending": self.pending,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        A generator's state is valid for one kind of device only. On another kind, the noise is
        seeded with the run's seed and step instead.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: it belongs to another model or run.
        """
        step = checked(state, "step", int)
        if not 0 <= step <= self.num_steps:
            raise ValueError(f"step {step} is not one of 0 to {self.num_steps}")
        seconds = checked(state, "seconds", float)
        if not 0 <= seconds < 1e12 or (step and not seconds):
            raise ValueError(f"seconds={seconds} is not the time of {step} steps")
        lr_scale = checked(state, "lr_scale", float)
        if not 0 < lr_scale <= 1:
            raise ValueError(f"lr_scale={lr_scale} is not in (0, 1]")
        check_weights(self.vae, state["model"])
        check_optimizer_state(self.optimizer, state["optimizer"])
        self.vae.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._graphed is not None:
            self._graphed.forget()
        self._load_generator(state["generator"], step)
        self.meter.load_state_dict(state["meter"])
        self.step, self.lr_scale = step, lr_scale
        self.stopped_early = checked(state, "stopped_early", bool)
        self.pending = checked(state, "pending", bool)
        self.stopwatch.go_on(seconds, step)

    def _load_generator(self, state: Tensor, step: int) -> None:
        same_kind = state.numel() == self.generator.get_state().numel()
        if same_kind:
            self.generator.set_state(state.cpu())
        else:
            self.generator.manual_seed(self.generator.initial_seed() + step)


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale gradients down to a norm of at most `max_norm`; returns the norm before, a scalar.

    On a CPU, gradients that are short enough are not written.
    """
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    norm = get_total_norm(gradients)
    if norm.device.type != "cpu" or not norm <= max_norm:
        coefficient = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(coefficient)
    return norm
