"""Flow families by name: what `flow=…` chooses from."""

from collections.abc import Callable
from typing import TypeVar

from nfvae.flows.base import Flow

FlowClass = TypeVar("FlowClass", bound=type[Flow])

FLOWS: dict[str, type[Flow]] = {}


def register(name: str) -> Callable[[FlowClass], FlowClass]:
    """Decorator that enters a flow class in `FLOWS` under `name`."""

    def enter(cls: FlowClass) -> FlowClass:
        FLOWS[name] = cls
        return cls

    return enter
