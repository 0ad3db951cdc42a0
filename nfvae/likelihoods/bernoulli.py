"""Bernoulli pixels: log p(x|z) of binary images from the decoder's logits."""

from typing import Any

import torch
from torch import Tensor

from nfvae.autograd import FirstOrderFunction
from nfvae.likelihoods.base import Likelihood, register


@register("bernoulli")
class Bernoulli(Likelihood):
    """Independent bits with probability σ(l), where l is the decoder's output (a logit).

    >>> bits, logits = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    >>> Bernoulli().log_prob(logits, bits)  # 16 log ½
    tensor([-11.0904, -11.0904])
    """

    parameters_per_channel = 1
    accepts = ("bits",)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        return bernoulli_log_prob(parameters.flatten(-3), x.flatten(-3))

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters.sigmoid()

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(parameters.sigmoid(), generator=generator)

    def initial_parameters(self, mean: Tensor) -> Tensor:
        return mean.logit()

    def check(self, x: Tensor) -> None:
        if not ((x == 0) | (x == 1)).all():
            raise ValueError(
                "a Bernoulli likelihood needs pixels that are 0 or 1, and these are not; draw bits "
                "from grey levels first, for example x = torch.bernoulli(x) with x in [0, 1]"
            )


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Σ over the last axis of x·l − log(1 + eˡ), in nats: [*, P], [*, P] -> [*].

    x broadcasts to the shape of the logits. Differentiable once, in logits and x.
    """
    log_prob: Tensor = _BernoulliLogProb.call(logits, x)
    return log_prob


class _BernoulliLogProb(FirstOrderFunction):
    # log(1 + eˡ) = max(l, 0) + log(1 + e^−|l|). Adding 1 before the logarithm has a rounding
    # error of at most 6e-8 per pixel in float32, far below that of the sum. torch's log is several
    # times faster than its log1p and softplus, which take longer than the decoder's last product.

    operation = "the Bernoulli likelihood"

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        terms = logits.abs().neg_().exp_().add_(1).log_()
        terms.add_(logits.clamp(min=0)).addcmul_(logits, x, value=-1)
        return terms.sum(-1).neg_()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, x = ctx.saved_tensors
        grad = grad.unsqueeze(-1)
        grad_x = (logits * grad).sum_to_size(x.shape) if ctx.needs_input_grad[1] else None
        return (x - logits.sigmoid()).mul_(grad), grad_x
