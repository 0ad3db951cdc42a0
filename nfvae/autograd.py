"""What hand-written derivatives have in common."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_order_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a backward pass refuse create_graph=True, where it would drop terms without a word.

    torch's own `once_differentiable` lets that pass when the incoming gradients are constants.
    """

    @wraps(backward)
    def checked(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "this operation is differentiable once: it has no second derivative "
                "(create_graph=True)"
            )
        return backward(ctx, *grads)

    return checked
