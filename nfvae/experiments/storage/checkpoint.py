"""Checkpoints: written atomically, verified when read, and unable to run code."""

import errno
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from nfvae.experiments.configuration.control_group import available_memory
from nfvae.experiments.errors import CheckpointError, RunFolderError, one_line
from nfvae.experiments.storage.atomic import write_atomically
from nfvae.experiments.storage.regular_file import cannot_read, read_regular

FORMAT = 2
OLD_FORMATS = {1: "nfvae 0.1"}
MAX_VALUES = 100_000  # tensors, numbers and containers; shared lists count each time


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises:
        CheckpointError: the file is missing, or its content is damaged (a checksum covers every
            byte), of another format, or more than tensors and plain values.
        RunFolderError: the file cannot be read; its content may be good.
    """
    limit = available_memory(torch.device("cpu")) // 2  # the bytes, and the tensors made of them
    try:
        data = read_regular(path, limit)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise RunFolderError(
                f"{path} cannot be read: {error.strerror}, half of the available memory; read it "
                "on a machine with more memory"
            ) from None
        raise cannot_read(path, error) from None
    content = _parse(path, data)
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if type(found) is int and found in OLD_FORMATS:
        raise CheckpointError(
            f"{path} has format {found}, of {OLD_FORMATS[found]}: use that version, or train again"
        )
    if type(found) is not int or found != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of format {FORMAT} (found: {one_line(found)})"
        )
    if torch.device(device).type != "cpu":  # errors of the device are not errors of the file
        content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    checked: dict[str, Any] = content
    return checked


def _parse(path: Path, data: bytes) -> Any:
    """Tensors on the CPU and plain values; raises CheckpointError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise zipfile.BadZipFile("compressed members")
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"checksum of {damaged}")
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        _check_size(content)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds objects other than tensors and plain values; it was not loaded, since "
            "loading it could run code"
        ) from None
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # damaged content raises many kinds of errors
        summary = one_line(error, 160) or type(error).__name__
        raise CheckpointError(f"{path} is damaged ({summary})") from None
    return content


def _check_size(content: object) -> None:
    """Refuse nested containers that would take too long to go through; raises ValueError."""
    left = MAX_VALUES
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend(value)
        left -= 1
        if left < 0 or len(waiting) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values")
