"""Means of scalars over the steps between two log lines, kept on the device."""

from typing import Any

import torch
from torch import Tensor

from nfvae.errors import DivergenceError
from nfvae.training.checks import check_tensor, checked_count

NEVER = 2**62


class Meter:
    """Means of named scalars over steps, and the first step at which one was not finite.

    Nothing is copied to the host until the values are read.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        self.sums = torch.zeros(len(names), dtype=torch.float64, device=device)
        self.count = 0
        self.first_bad = torch.full_like(self.sums, NEVER, dtype=torch.int64)

    def add(self, step: int | Tensor, values: Tensor) -> None:
        """Add the scalars of a step, in the order of the names: [len(names)], no gradient.

        Operations on the device only; after them the host calls `added`.
        """
        self.sums += values
        bad = torch.where(values.isfinite(), NEVER, step)
        torch.minimum(self.first_bad, bad, out=self.first_bad)

    def added(self, step: int) -> None:
        """Count a step whose scalars were added."""
        self.count += 1

    def check(self) -> None:
        """Raise a DivergenceError that names the first term that was not finite, and its step."""
        first, index = self.first_bad.min(0)
        if first < NEVER:
            raise DivergenceError(f"{self.names[int(index)]} was not finite at step {int(first)}")

    def pop(self) -> dict[str, float]:
        """The means since the last call."""
        means = (self.sums / max(self.count, 1)).tolist()
        self.sums.zero_()
        self.count = 0
        return dict(zip(self.names, means, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, so that a resumed interval is logged as a whole."""
        return {"sums": self.sums, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore sums and count; forgets values that were not finite."""
        count = checked_count(state, "count")
        check_tensor("the meter's sums", state["sums"], self.sums.shape, self.sums.dtype)
        self.sums.copy_(state["sums"])
        self.count = count
        self.first_bad.fill_(NEVER)
