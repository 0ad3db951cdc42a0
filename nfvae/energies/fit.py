"""Fit a flow with unconditional parameters to p ∝ exp(−U) by its free energy.

    F_β = E_q[log q(z) + β U(z)],     F_1 = KL(q‖p) − log Z

β rises from nearly 0 to 1 (Rezende & Mohamed 2015, eq. 20), so that q first spreads over the plane.
With β = 1 from the start, q would stay in the first mode that it finds.
"""

from collections.abc import Callable, Iterable, Sequence

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
        flow: a flow on R^D; its own weights, if it has any, are learned too.
        batch_shape: batch shape of several independent q with different initial parameters, which
            `fit_energy` fits at once. Only for flows without their own weights.

    Raises:
        ValueError: a batch of q with a flow that has weights, which all of them would share.

    >>> from nfvae.flows import Planar
    >>> UnconditionalPosterior(Planar(2, 8))().draw((5,)).z.shape
    torch.Size([5, 2])
    """

    def __init__(self, flow: Flow, batch_shape: Sequence[int] = ()) -> None:
        super().__init__()
        shape = torch.Size(batch_shape)
        if shape and any(True for _ in flow.parameters()):
            raise ValueError(
                f"{type(flow).__name__} has its own weights, which a batch of q would share; "
                "fit one q at a time"
            )
        self.flow = flow
        self.loc = nn.Parameter(torch.zeros(*shape, flow.dim))
        self.log_scale = nn.Parameter(torch.zeros(*shape, flow.dim))
        params = torch.stack([flow.initial_params() for _ in range(shape.numel())])
        self.params = nn.Parameter(params.view(*shape, flow.param_size))

    def forward(self) -> FlowPosterior:
        """q at the current parameters."""
        return FlowPosterior(self.loc, self.log_scale, self.flow, self.params, validate_args=False)

    def members(self) -> list["UnconditionalPosterior"]:
        """Each q of the batch as its own module, with copied parameters; [self] without a batch."""
        if self.loc.dim() == 1:
            return [self]
        members = []
        rows = [p.detach().flatten(0, -2) for p in (self.loc, self.log_scale, self.params)]
        for loc, log_scale, params in zip(*rows, strict=True):
            member = UnconditionalPosterior(self.flow)
            member.loc, member.log_scale = (
                nn.Parameter(loc.clone()),
                nn.Parameter(log_scale.clone()),
            )
            member.params = nn.Parameter(params.clone())
            members.append(member)
        return members


def free_energy(draw: Draw, energy: Energy, beta: float = 1.0) -> Tensor:
    """One-sample estimates of F_β in nats, [*sample, *batch], at samples [*sample, *batch, 2]."""
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
    """Minimise F_β over the parameters of `posterior`, in place.

    Args:
        posterior: q, or a batch of q, each fitted as if it were alone.
        energy: U.
        num_steps: number of updates.
        optimizer: optimizer of q's parameters; None is Adam with learning rate 5e-3.
        schedule: factor of the learning rate at each step.
        grad_clip: largest norm of the gradient of each q; None does not clip.
        num_samples: number of new samples of each q per update.
        annealing_start: β at step 0.
        annealing_steps: steps until β = 1.
        generator: for the samples; None is torch's global generator.
        on_step: called before each update; it may raise.

    Raises:
        DivergenceError: F_β became NaN or infinite; in a batch, for every q.

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
        loss = free_energy(posterior().draw((num_samples,), generator), energy, beta).mean(0)
        if not torch.isfinite(loss).any():
            raise DivergenceError(
                f"the free energy became {loss.flatten()[0].item()} at step {step}; "
                "try a lower learning rate"
            )
        optimizer.zero_grad()
        loss.sum().backward()
        if grad_clip is not None:
            _clip_each(parameters, grad_clip, loss.dim())
        optimizer.step()


def _clip_each(parameters: Iterable[nn.Parameter], max_norm: float, num_batch_dims: int) -> None:
    """Clip the norm of each q's gradient; a NaN in one does not reach the others."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    rows = torch.cat([g.flatten(num_batch_dims) for g in gradients], dim=-1)
    factor = (max_norm / torch.linalg.vector_norm(rows, dim=-1)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(*factor.shape, *(1 for _ in gradient.shape[num_batch_dims:])))
