"""Common parts of the fast forms."""

import torch
from torch import Tensor

from nfvae.autograd import FirstOrderFunction


class FusedFunction(FirstOrderFunction):
    """A fast form of a flow; the readable form supports the other derivatives."""

    operation = "the fused form of a flow"
    advice = "; build the flow with fused=False for that"


def in_use(fused: bool) -> bool:
    """Whether a flow with this option uses its fast form.

    Under torch.compile it does not: compiled, the readable form is faster.
    """
    return fused and not torch.compiler.is_compiling()


def fast_sech2(a: Tensor) -> Tensor:
    """1 − tanh²(a) without its cancellation at large |a|.

    One exponential, unlike `nfvae.flows.monotone_root.sech2`; its second derivative by autograd
    is wrong at a = 0.
    """
    e = torch.exp(-2 * a.abs())
    return 4 * e / (1 + e).square()
