"""Shared parts of the hand-written derivatives (subclasses of torch.autograd.Function)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


class FirstOrderFunction(torch.autograd.Function):
    """A torch.autograd.Function whose `backward` gives first derivatives only.

    Use `call` instead of `apply`. Double backward, torch.func and forward-mode derivatives
    then raise a RuntimeError of one line, which names the `operation` and ends with the `advice`.
    """

    operation = "this operation"
    advice = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.backward = staticmethod(_once(cls, cls.backward))  # type: ignore[method-assign]

    @classmethod
    def call(cls, *args: Any) -> Any:
        """`apply`, with a clear error where derivatives are not supported.

        Raises:
            RuntimeError: called under a torch.func transform or forward-mode differentiation.
        """
        try:
            return cls.apply(*args)
        except RuntimeError as error:
            # torch asks for a `setup_context` (torch.func) or a `jvp` (forward mode).
            if "setup_context" not in str(error) and not isinstance(error, NotImplementedError):
                raise
        raise RuntimeError(
            f"{cls.operation} works under backward() only, not under torch.func (grad, vmap, jvp, "
            f"jacrev, …) or forward-mode derivatives{cls.advice}"
        )


def _once(cls: type[FirstOrderFunction], backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a backward pass raise under create_graph=True, where it would silently drop terms.

    torch's own `once_differentiable` does not raise when the incoming gradients are constants.
    """

    @wraps(backward)
    def checked(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                f"{cls.operation} is differentiable once: it has no second derivative "
                f"(create_graph=True){cls.advice}"
            )
        return backward(ctx, *grads)

    return checked
