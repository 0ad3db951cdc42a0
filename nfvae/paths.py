"""Paths that a user gives."""

from pathlib import Path

from nfvae.errors import NfvaeError


def expand(path: Path | str, key: str) -> Path:
    """A path with ~ expanded; `key` names it in messages.

    Raises:
        NfvaeError: it is empty, holds a null character, or there is no such user.
    """
    if not str(path):
        raise NfvaeError(f"{key}= is empty; name a file or folder")
    if "\0" in str(path):
        raise NfvaeError(f"{key}={str(path)!r} holds a null character")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise NfvaeError(f"{key}={path}: there is no such user") from None
