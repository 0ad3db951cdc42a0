"""Training: `fit` is the loop."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import optim

from nfvae.data import Dataset
from nfvae.errors import DivergenceError, StateError, StopTraining
from nfvae.objective import Objective
from nfvae.precision import Precision
from nfvae.training.callbacks import Callback
from nfvae.training.ranks import ALONE, Ranks
from nfvae.training.schedule import Schedule, constant
from nfvae.training.state import Training
from nfvae.vae import VAE


def fit(
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
    callbacks: Sequence[Callback] = (),
    resume_from: Mapping[str, Any] | None = None,
) -> Training:
    """Train a VAE in place.

    Args:
        vae: the model, on the device to train on.
        data: the data set.
        num_steps: number of updates.
        batch_size: images per update.
        optimizer: optimizer of the model's weights; None is Adam with learning rate 1e-3.
        schedule: factor of the learning rate at each step.
        grad_clip: largest norm of the gradient; None does not clip.
        objective: the bound; None is the ELBO with one sample per image.
        seed: for the order of the images and dropout, and for the noise if `generator` is None.
        generator: for bits and noise, on the model's device.
        compile: compile the loss and its gradient with torch.compile: seconds to minutes at the
            start for faster updates, with the same result up to rounding.
        precision: of encoder and decoder, see `nfvae.precision.Precision`.
        ranks: the processes that train this model together, see `nfvae.training.ranks`.
        cuda_graph: on a GPU, run each update as one CUDA graph: a single call in place of hundreds,
            with the same result up to rounding. The optimizer needs the option `capturable`.
        callbacks: called between updates, in this order.
        resume_from: the result of `nfvae.training.state_dict(training, callbacks)` in an earlier
            run.

    Returns:
        The final state: step, optimizer, timing.

    Raises:
        DivergenceError: a term or a weight became NaN or infinite.
        StopTraining: raised by a callback.
        StateError: `resume_from` belongs to another model or run.
        ValueError: the data do not fit the model, the batch size does not fit the data, or a CUDA
            graph does not fit the device or the optimizer.

    >>> from nfvae import VAE, Bernoulli, Planar, load_dataset, networks
    >>> data = load_dataset("mnist")
    >>> encoder, decoder = networks.mlp(data.image_shape, latent_dim=2, hidden=[20])
    >>> vae = VAE(encoder, Planar(2, 4), decoder, Bernoulli())
    >>> fit(vae, data, num_steps=3).step
    3
    """
    training = Training(
        vae,
        data,
        num_steps,
        batch_size=batch_size,
        optimizer=optimizer,
        schedule=schedule,
        grad_clip=grad_clip,
        objective=objective,
        seed=seed,
        generator=generator,
        compile=compile,
        precision=precision,
        ranks=ranks,
        cuda_graph=cuda_graph,
    )
    if resume_from is not None:
        load_state_dict(training, callbacks, resume_from)
    with ExitStack() as stack:
        for callback in callbacks if training.pending or not training.finished else ():
            stack.callback(callback.close)
            callback.on_start(training)
        while training.pending or not training.finished:
            try:
                if not training.pending:
                    training.update()
                for callback in callbacks:
                    callback.on_step(training)
                training.pending = False
            except DivergenceError as error:
                handled = [callback.on_divergence(training, error) for callback in callbacks]
                if not any(handled):
                    raise
                for callback in callbacks:
                    callback.on_start(training)
            except StopTraining:
                for callback in callbacks:
                    callback.on_stop(training)
                raise
        training.check_finite()
    return training


def state_dict(training: Training, callbacks: Sequence[Callback]) -> dict[str, Any]:
    """The state that `fit(…, resume_from=…)` needs: tensors and plain values.

    Raises:
        ValueError: two callbacks of the same class have state; one of them would be lost.
    """
    states: dict[str, dict[str, Any]] = {}
    for callback in callbacks:
        if state := callback.state_dict():
            name = type(callback).__name__
            if name in states:
                raise ValueError(f"only one callback of the class {name} can be resumed, not two")
            states[name] = state
    return training.state_dict() | {"callbacks": states}


def load_state_dict(
    training: Training, callbacks: Sequence[Callback], state: Mapping[str, Any]
) -> None:
    """Restore the state that `state_dict` returned.

    Raises:
        StateError: it belongs to another model or run.
    """
    try:
        training.load_state_dict(state)
        for callback in callbacks:
            if stored := state["callbacks"].get(type(callback).__name__):
                callback.load_state_dict(stored)
    except (KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise StateError(f"the stored state does not fit: {error}") from error
