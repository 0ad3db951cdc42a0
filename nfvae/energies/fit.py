"""Fit a flow with unconditional parameters to p ∝ exp(−U) by its free energy.

    F_β = E_q[log q(z) + β U(z)],     F_1 = KL(q‖p) − log Z

β rises from nearly 0 to 1 (Rezende & Mohamed 2015, eq. 20), so that q first spreads over the plane.
At β = 1 from the start, q would stay in the mode that it finds first.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn, optim

from nfvae.energies.targets import Energy
from nfvae.errors import DivergenceError
from nfvae.flows import Flow
from nfvae.objective import annealing_beta
from nfvae.posterior import Draw, FlowPosterior
from nfvae.training.schedule import Schedule, constant, set_learning_rates


class UnconditionalPosterior(nn.Module):
    """q(z) = N(loc, diag exp(2·log_scale)) through a flow; its parameters are learned directly.

    Args:
        flow: on R^D; weights of its own are learned too.

    >>> from nfvae.flows import Planar
    >>> UnconditionalPosterior(Planar(2, 8))().draw((5,)).z.shape
    torch.Size([5, 2])
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow
        self.loc = nn.Parameter(torch.zeros(flow.dim))
        self.log_scale = nn.Parameter(torch.zeros(flow.dim))
        self.params = nn.Parameter(flow.initial_params())

    def forward(self) -> FlowPosterior:
        """The posterior at the present parameters, batch shape ()."""
        return FlowPosterior(self.loc, self.log_scale, self.flow, self.params, validate_args=False)


def free_energy(draw: Draw, energy: Energy, beta: float = 1.0) -> Tensor:
    """One-sample estimates of F_β at samples [S, 2] of q, in nats: [S]."""
    return draw.log_q + beta * energy(draw.z)


def fit_energy(
    posterior: UnconditionalPosterior,
    energy: Energy,
    num_steps: int,
    *,
    optimizer: optim.Optimizer | None = None,
    schedule: Schedule = constant,
    grad_clip: float | None = None,
    num_samples: int = 256,
    annealing_start: float = 0.01,
    annealing_steps: int = 2000,
    generator: torch.Generator | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Minimise F_β in place.

    Args:
        posterior: q.
        energy: U.
        num_steps: updates.
        optimizer: of q's parameters; None is Adam with learning rate 5e-3.
        schedule: factor of the learning rate at each step.
        grad_clip: largest norm of the gradient; None does not clip.
        num_samples: fresh samples of q for each update.
        annealing_start: β at step 0.
        annealing_steps: steps until β = 1.
        generator: of the samples; None is torch's global one.
        on_step: called before each update; it may raise.

    Raises:
        DivergenceError: F_β became NaN or infinite.

    >>> from nfvae import ENERGIES, Planar
    >>> posterior = UnconditionalPosterior(Planar(dim=2, num_transforms=8))
    >>> fit_energy(posterior, ENERGIES["U1"], num_steps=10)
    >>> posterior().sample((1000,)).shape
    torch.Size([1000, 2])
    """
    parameters = list(posterior.parameters())
    optimizer = optimizer or optim.Adam(parameters, lr=5e-3)
    for step in range(num_steps):
        on_step()
        beta = annealing_beta(step, annealing_start, annealing_steps)
        set_learning_rates(optimizer, schedule(step))
        loss = free_energy(posterior().draw((num_samples,), generator), energy, beta).mean()
        if not torch.isfinite(loss):
            raise DivergenceError(
                f"the free energy became {loss.item()} at step {step}; try a lower learning rate"
            )
        optimizer.zero_grad()
        loss.backward()
        if grad_clip is not None:
            nn.utils.clip_grad_norm_(parameters, grad_clip)
        optimizer.step()
