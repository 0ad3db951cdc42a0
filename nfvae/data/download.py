"""Download public files with torchvision, which checks their digests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nfvae.errors import DataError


def download(fetch: Callable[[Any], object], folder: Path, source: str) -> None:
    """Run a torchvision download into a folder, which is created if it is missing.

    Args:
        fetch: called with the module `torchvision.datasets`.
        folder: where the files go.
        source: name of the files, for the message.

    Raises:
        DataError: torchvision is missing, or the download failed.
    """
    try:
        from torchvision import datasets  # only here: the library works without torchvision
    except ImportError:
        raise DataError(
            f"downloading {source} needs torchvision; install it, or put the files into {folder}"
        ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fetch(datasets)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"downloading {source} into {folder} failed: {reason}") from None


def fetch_url(url: str, folder: Path, md5: str) -> Callable[[Any], object]:
    """A `fetch` for `download`: one file, which keeps its name."""
    return lambda datasets: datasets.utils.download_url(url, str(folder), md5=md5)
