"""The .amat format of Larochelle's bits: text, one image per line, digits 0 and 1 with spaces."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nfvae.errors import DataError

Bytes = npt.NDArray[np.uint8]


def parse_amat(content: bytes, shape: tuple[int, int] | None, path: Path) -> Bytes:
    """Lines of spaced digits 0 and 1 as an array of bytes 0 and 1.

    Args:
        content: the whole file.
        shape: required number of lines and of digits per line; None allows any number of lines, all
            as long as the first one.
        path: where it came from, for messages.

    Raises:
        DataError: the number of lines or of digits per line is wrong, or a character is not 0 or 1.
    """
    # Four times as fast as np.loadtxt, and the error can name the line.
    lines = content.translate(None, b" \r").splitlines()
    num_lines, num_digits = shape or (len(lines), len(lines[0]) if lines else 0)
    for number, line in enumerate(lines, 1):
        if len(line) != num_digits:
            raise DataError(
                f"{path} line {number} holds {len(line)} digits, must be {num_digits} (0 or 1)"
            )
    if len(lines) != num_lines:
        raise DataError(f"{path} holds {len(lines)} lines, must be {num_lines}")
    bits = np.frombuffer(b"".join(lines), np.uint8).reshape(num_lines, num_digits) - np.uint8(
        ord("0")
    )
    if (bits > 1).any():  # below "0" wraps around to above 1
        number = int((bits > 1).any(axis=1).argmax()) + 1
        raise DataError(f"{path} line {number} holds something other than the digits 0 and 1")
    return bits
