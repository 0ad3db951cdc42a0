"""What images are: their shape, and the kind of values that their pixels have."""

from typing import Literal

ImageShape = tuple[int, int, int]
"""Channels, height, width."""

Values = Literal["bits", "levels", "reals"]
"""What pixels are: 0 or 1; one of 256 levels 0/255 … 255/255; or real numbers."""
