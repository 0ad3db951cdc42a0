"""Matrix products in bfloat16, everything else in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

HALF = (torch.bfloat16, torch.float16)

Precision = Literal["float32", "bfloat16"]
"""Precision of the encoder's and the decoder's layers in training.

`bfloat16`: their matrix products and convolutions take bfloat16 numbers and add up in float32
(torch.autocast). Weights, head, flow, likelihood, bound and optimizer stay in float32.
"""


def is_autocast(device: str) -> bool:
    """Whether torch.autocast is on for a type of device."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def no_autocast(device: str) -> AbstractContextManager[object]:
    """Turn torch.autocast off, if it is on."""
    return torch.autocast(device, enabled=False) if is_autocast(device) else nullcontext()


def products_in(precision: Precision, device: str) -> AbstractContextManager[object]:
    """The context in which the networks have this precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device, torch.bfloat16)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    CPUs with AVX512_BF16 or AMX do. On others such products are many times slower than in float32.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )
