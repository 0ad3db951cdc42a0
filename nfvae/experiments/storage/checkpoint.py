"""Checkpoints: whole, checked, and incapable of running code."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from nfvae.experiments.errors import CheckpointError
from nfvae.experiments.storage.atomic import write_atomically

FORMAT = 1


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; see `write_atomically` for what can go wrong."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises:
        CheckpointError: missing, damaged (every byte is covered by a checksum), of another format,
            or holding anything but tensors and plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"checksum of {damaged}")
        content: Any = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds objects other than tensors and plain values; it was not opened further, "
            "since loading it could run code"
        ) from None
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # bytes that are no pickle end in any of a dozen kinds
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged ({summary})") from None
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if type(found) is not int or found != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of format {FORMAT} (found: {found})")
    checked: dict[str, Any] = content
    return checked
