"""Types that describe images: their shape, and the kind of their pixel values."""

from typing import Literal

ImageShape = tuple[int, int, int]
"""Channels, height, width."""

Values = Literal["bits", "levels", "reals"]
"""Kinds of pixel values: 0 or 1; 256 levels 0/255 … 255/255; or real numbers."""
