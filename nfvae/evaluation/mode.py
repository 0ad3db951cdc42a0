"""Evaluation mode for measurements."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, without dropout; then restore the mode of each module.

    >>> model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2))
    >>> with evaluation_mode(model):
    ...     model[0].training
    False
    >>> model[0].training
    True
    """
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in was_training:
            module.training = True
