"""Frey faces (Roweis): 1,965 frames of one face, 28×20 grey levels.

The split is that of Sylvester flows (van den Berg et al. 2018, utils/load_data.py) and of the
VampPrior's code: a permutation by numpy.random.seed(123), then 1,565 training, 200 validation and
200 test images. Neighbouring frames look alike, so such a test set says little about new faces; a
split in order of time (`split_seed` None) is harder. The papers take pixels as 256 levels and
give bits per dimension.
"""

from pathlib import Path

import numpy as np

from nfvae.data.array_files import read_arrays
from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import Binarization, check_binarization
from nfvae.data.dataset import Dataset, register
from nfvae.data.files import CACHE, find_file, has_file, root_folder
from nfvae.data.idx import Bytes
from nfvae.data.npy import find_array
from nfvae.data.splitting import SplitSeed, cut
from nfvae.errors import DataError

NUM_IMAGES, NUM_VAL, NUM_TEST = 1965, 200, 200

LAYOUTS = (".", "frey_faces", "Freyfaces")

NPZ_FILE, MAT_FILE, PICKLE = "frey_faces.npz", "frey_rawface.mat", "freyfaces.pkl"
FILES = NPZ_FILE, MAT_FILE

SOURCE = (
    "https://cs.nyu.edu/~roweis/data/frey_rawface.mat, or save the images there as frey_faces.npz, "
    "array images [1965, 28, 20] of uint8"
)


@register("frey_faces")
def frey_faces(
    *,
    root: str = CACHE,
    binarization: Binarization = "none",
    split_seed: SplitSeed | None = 123,
    train_on_val: bool = False,
) -> Dataset:
    """Frey faces: 28×20 grey levels, one person, levels by default.

    Args:
        root: folder with frey_rawface.mat (array ff [560, 1965], one image per column) or with
            frey_faces.npz (array images [1965, 28, 20]).
        binarization: see `nfvae.data.binarize.Binarization`; not "static": nobody has published
            static bits.
        split_seed: the frames are permuted with this seed before the split, 123 in the code of
            Sylvester flows; None keeps the order of the film.
        train_on_val: train on the 200 validation images too, without validation.

    Raises:
        DataError: the file is missing, damaged, or not the expected one.
        ValueError: no such binarization.
    """
    check_binarization(binarization, "dynamic", "fixed", "none")
    folder = root_folder(root)
    if has_file(PICKLE, folder, LAYOUTS) and not has_file(FILES, folder, LAYOUTS):
        raise DataError(
            f"{find_file(PICKLE, folder, LAYOUTS)} is a pickle, which is never loaded because it "
            f"can run code; take {SOURCE}"
        )
    path = find_file(FILES, folder, LAYOUTS, SOURCE)
    images = Images(_read(path)[:, None])
    splits = cut(images, {"val": NUM_VAL, "test": NUM_TEST}, split_seed)
    return binarized_dataset("frey_faces", splits, binarization, train_on_val)


def _read(path: Path) -> Bytes:
    """All frames in the film's order: [1965, 28, 20]."""
    arrays = read_arrays(path)
    if path.name.startswith(NPZ_FILE):
        pixels = find_array(arrays, "images", (NUM_IMAGES, 28, 20), path)
    else:
        columns = find_array(arrays, "ff", (560, NUM_IMAGES), path)
        pixels = columns.T.reshape(NUM_IMAGES, 28, 20)
    # MATLAB keeps levels as bytes or, without a word, as doubles.
    with np.errstate(invalid="ignore"):
        levels = pixels.astype(np.uint8)
    if not np.array_equal(levels, pixels):
        raise DataError(f"{path} must hold levels, whole numbers from 0 to 255")
    return levels
