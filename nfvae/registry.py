"""Registries: data sets, flows, networks, likelihoods and priors by name."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple, TypeVar

Part = TypeVar("Part", bound=Callable[..., Any])


class Option(NamedTuple):
    """A keyword-only argument of a registered part."""

    annotation: Any
    """Its type; `Annotated` types from annotated_types state its range."""
    default: Any


class Registry(dict[str, Callable[..., Any]]):
    """Classes or functions of one kind, each under its name.

    The keyword-only arguments of an entry are its options; their annotations state the allowed
    values.

    Args:
        kind: the kind of entries, for messages: "flow", "likelihood", …
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def register(self, name: str) -> Callable[[Part], Part]:
        """Decorator that adds a class or function under `name`.

        Raises:
            ValueError: the name is taken.
        """

        def add(part: Part) -> Part:
            # Importing a module again registers the same parts again.
            if name in self and _origin(self[name]) != _origin(part):
                raise ValueError(f"there is a {self.kind} named {name!r} already")
            self[name] = part
            return part

        return add

    def find(self, name: str) -> Callable[..., Any]:
        """The entry of this name.

        Raises:
            ValueError: there is no such entry.
        """
        if name not in self:
            known = ", ".join(sorted(self))
            raise ValueError(f"{self.kind} {name!r} is unknown; known: {known}")
        return self[name]

    def options(self, name: str) -> dict[str, Option]:
        """Options of an entry, by name."""
        return {
            key: Option(parameter.annotation, parameter.default)
            for key, parameter in inspect.signature(self.find(name)).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }


def _origin(part: Callable[..., Any]) -> tuple[str, str]:
    return part.__module__, part.__qualname__


def import_all(package: str, path: list[str]) -> None:
    """Import every module of a package, so that each part in it is registered."""
    for module in iter_modules(path):
        import_module(f"{package}.{module.name}")
