"""Read a file of arrays. Its first bytes determine the format."""

from pathlib import Path

from nfvae.data.amat import parse_amat
from nfvae.data.files import read_bytes
from nfvae.data.idx import parse_idx
from nfvae.data.mat import MAT_MAGIC, parse_mat
from nfvae.data.npy import NPY_MAGIC, ZIP_MAGIC, Array, parse_npy, parse_npz
from nfvae.errors import DataError


def read_arrays(path: Path) -> dict[str, Array]:
    """Read all arrays of a file, by name.

    The names are those in a .npz or .mat file. The one array of a .npy, IDX or .amat file has the
    name "".

    Raises:
        DataError: the file is unreadable, damaged, too large, or of no known format.
    """
    content = read_bytes(path)
    if content.startswith(ZIP_MAGIC):
        return parse_npz(content, path)
    if content.startswith(MAT_MAGIC):
        return parse_mat(content, path)
    if content.startswith(NPY_MAGIC):
        return {"": parse_npy(content, path)}
    if content.startswith(b"\0\0"):
        return {"": parse_idx(content, None, path)}
    if content[:1] in (b"0", b"1", b" "):
        return {"": parse_amat(content, None, path)}
    fault = "is of no known format" if content else "is empty"
    raise DataError(f"{path} {fault}; known formats: .npz, .npy, .mat, IDX, .amat of bits")
