"""Fit a flow with plain parameters to p ∝ exp(−U) by its free energy.

    F_β = E_q[log q(z) + β U(z)],     F_1 = KL(q‖p) − log Z

β rises from nearly 0 to 1, so that q covers the plane before it settles: a q that starts narrow
stays in the mode it first meets (Rezende & Mohamed 2015, eq. 20).
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from nfvae.energies.targets import Energy
from nfvae.errors import DivergenceError
from nfvae.experiments.config import OptimConfig, Section
from nfvae.experiments.interruption import StopRequest
from nfvae.flows import Flow
from nfvae.objective import annealing_beta
from nfvae.posterior import Draw, FlowPosterior
from nfvae.training.optimizers import learning_rate_course, make_optimizer, set_learning_rates


class FitConfig(Section):
    """How long a flow is fitted, by how many samples of q a step, and β's rise."""

    max_steps: Annotated[int, Field(ge=1)]
    num_samples: Annotated[int, Field(ge=1, le=1_000_000)]
    annealing_start: Annotated[float, Field(ge=0, le=1)]
    annealing_steps: Annotated[int, Field(ge=1)]


class PlainPosterior(nn.Module):
    """q(z) = N(loc, diag exp(2·log_scale)) through a flow, its parameters learned as they are.

    Args:
        flow: on R^D; weights of its own are learned too.
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


def fit(
    posterior: PlainPosterior,
    energy: Energy,
    config: FitConfig,
    optim: OptimConfig,
    generator: torch.Generator,
    stop: StopRequest | None = None,
) -> None:
    """Minimise F_β in place, `config.num_samples` fresh samples of q a step.

    Raises:
        DivergenceError: F_β became NaN or infinite.
        Interrupted: `stop` was set; a fit takes seconds and saves nothing midway.
    """
    parameters = list(posterior.parameters())
    optimizer = make_optimizer(optim, parameters)
    for step in range(config.max_steps):
        if stop is not None:
            stop.check()
        beta = annealing_beta(step, config.annealing_start, config.annealing_steps)
        set_learning_rates(optimizer, learning_rate_course(optim, step, config.max_steps))
        draw = posterior().draw((config.num_samples,), generator)
        loss = free_energy(draw, energy, beta).mean()
        if not torch.isfinite(loss):
            raise DivergenceError(
                f"the free energy became {loss.item()} at step {step}; try a smaller optim.lr"
            )
        optimizer.zero_grad()
        loss.backward()
        if optim.grad_clip is not None:
            nn.utils.clip_grad_norm_(parameters, optim.grad_clip)
        optimizer.step()
