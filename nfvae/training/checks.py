"""Checks of a stored state, before it is used: plain values, weights and optimizer states."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim


def checked(state: Mapping[str, Any], name: str, kind: type) -> Any:
    """An entry of exactly this type.

    Raises:
        KeyError, TypeError: the entry is missing or has another type.
    """
    value = state[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is {value!r:.40}, must be {kind.__name__}")
    return value


def checked_count(state: Mapping[str, Any], name: str) -> int:
    """An entry that is an integer of at least 0; raises as `checked` does, or ValueError."""
    value: int = checked(state, name, int)
    if value < 0:
        raise ValueError(f"{name} is {value}, must be at least 0")
    return value


def check_weights(model: nn.Module, stored: object) -> None:
    """Check that stored weights are dense, finite and those of this model.

    Raises:
        ValueError, TypeError: they are not.
    """
    wanted = model.state_dict()
    if not isinstance(stored, Mapping) or stored.keys() != wanted.keys():
        names = stored.keys() if isinstance(stored, Mapping) else set()
        different = sorted(map(str, wanted.keys() ^ set(names)))[:3]
        raise ValueError(f"other weights than the model's: {', '.join(different)}")
    for name, value in stored.items():
        check_tensor(f"weight {name}", value, wanted[name].shape, wanted[name].dtype)


def check_optimizer_state(optimizer: optim.Optimizer, stored: Mapping[str, Any]) -> None:
    """Check that a stored state fits this optimizer, tensor by tensor and setting by setting.

    torch checks only the number of weights. A fused step does not check shapes and strides: with
    wrong ones it would write outside of its memory.

    Raises:
        ValueError, TypeError, KeyError: it does not fit.
    """
    groups = optimizer.param_groups
    stored_groups = stored["param_groups"]
    if [len(group["params"]) for group in stored_groups] != [len(g["params"]) for g in groups]:
        raise ValueError("the optimizer's groups hold another number of weights")
    for group, other in zip(groups, stored_groups, strict=True):
        for key, value in group.items():
            if key in ("params", "lr"):  # the rate is set at each step
                continue
            if other.get(key) != value:
                raise ValueError(
                    f"the optimizer's {key} is {other.get(key)!r:.40}, must be {value}"
                )
    weights = [weight for group in groups for weight in group["params"]]
    moments = stored["state"]
    if not isinstance(moments, Mapping) or not all(
        isinstance(m, Mapping) for m in moments.values()
    ):
        raise TypeError("the optimizer's state is not a mapping of weights to moments")
    if moments and sorted(moments) != list(range(len(weights))):
        raise ValueError("the optimizer's state does not name each weight once")
    names: set[str] | None = None
    for index, entries in moments.items():
        names = set(entries) if names is None else names
        if set(entries) != names:
            raise ValueError(f"the optimizer's state of weight {index} lacks an entry")
        for name, value in entries.items():
            title = f"the optimizer's {name} of weight {index}"
            if name == "step":
                check_tensor(title, value, torch.Size(), torch.float32)
            else:
                check_tensor(title, value, weights[index].shape, weights[index].dtype)


def check_tensor(title: str, value: object, shape: torch.Size, dtype: torch.dtype) -> None:
    """Check that a stored value is a dense, contiguous, finite tensor; `title` names it.

    Raises:
        ValueError, TypeError: it is not, or has another shape or type.
    """
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        raise TypeError(f"{title} is not a dense tensor")
    if value.shape != shape:
        raise ValueError(f"{title} has shape {list(value.shape)}, must be {list(shape)}")
    if value.dtype != dtype or not value.is_contiguous():
        raise ValueError(f"{title} is not contiguous {dtype}")
    if not value.isfinite().all():
        raise ValueError(f"{title} is not finite")
