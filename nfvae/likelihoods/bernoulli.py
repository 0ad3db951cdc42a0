"""log p(x|z) of binary pixels from the decoder's logits."""

from typing import Any

import torch
from torch import Tensor

from nfvae.autograd import first_order_only


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Σ over pixels of x·l − log(1 + eˡ), in nats: [*, P], [*, P] -> [*].

    x broadcasts to the logits' shape, so one image serves many samples. Differentiable in the
    logits, not in x.
    """
    log_likelihood: Tensor = _BernoulliLogLikelihood.apply(logits, x)
    return log_likelihood


class _BernoulliLogLikelihood(torch.autograd.Function):
    # log(1 + eˡ) = max(l, 0) + log(1 + e^−|l|). Adding 1 before the logarithm rounds by at most
    # 6e-8 a pixel in float32, far below the sum's own rounding, and torch's log is several times
    # faster than its log1p and softplus, which take longer than the decoder's last product.

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        terms = logits.abs().neg_().exp_().add_(1).log_()
        terms.add_(logits.clamp(min=0)).addcmul_(logits, x, value=-1)
        return terms.sum(-1).neg_()

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return (x - logits.sigmoid()).mul_(grad.unsqueeze(-1)), None
