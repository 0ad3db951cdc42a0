"""Caltech 101 silhouettes (Marlin et al. 2010): 28×28 bits, filled outlines of 101 kinds of object.

Both files store an image column by column, with 1 for the background and 0 for the object. As in
Sylvester flows (van den Berg et al. 2018, utils/load_data.py), images are transposed and inverted
(1 − x), so that objects are upright and 1.
"""

from typing import Any, Literal

import numpy as np

from nfvae.data.array_files import read_arrays
from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import check_binarization
from nfvae.data.dataset import Dataset, SplitName, register
from nfvae.data.download import download as fetch
from nfvae.data.download import fetch_url
from nfvae.data.files import CACHE, find_file, has_file, root_folder
from nfvae.data.npy import Array, find_array
from nfvae.data.splitting import SplitSeed, cut
from nfvae.errors import DataError

LAYOUTS = (".", "caltech_silhouettes", "Caltech101Silhouettes")

URL = "https://people.cs.umass.edu/~marlin/data/"
SPLIT_FILE, WHOLE_FILE = "caltech101_silhouettes_28_split1.mat", "caltech101_silhouettes_28.mat"
MD5 = {
    SPLIT_FILE: "4483e9c14b188fd09937f9ea6f9ea777",
    WHOLE_FILE: "1432d2809e8bf111f1104a234731ddb1",
}

SIZES: dict[SplitName, int] = {"train": 4100, "val": 2264, "test": 2307}
HELD_OUT: tuple[SplitName, ...] = ("val", "test")


@register("caltech_silhouettes")
def caltech_silhouettes(
    *,
    root: str = CACHE,
    download: bool = False,
    binarization: Literal["static"] = "static",
    split: Literal["official", "seeded"] = "official",
    split_seed: SplitSeed = 0,
    train_on_val: bool = False,
) -> Dataset:
    """Caltech 101 silhouettes: 28×28 bits, 101 classes.

    Args:
        root: folder with the file that `split` names.
        download: fetch a missing file by torchvision into `root`.
        binarization: "static": the files hold bits.
        split: "official" reads caltech101_silhouettes_28_split1.mat, 4,100 training, 2,264
            validation and 2,307 test images, the split of the papers. "seeded" reads all 8,671
            images from caltech101_silhouettes_28.mat, which has no split, permutes them, and cuts
            them into three splits of the same sizes. These hold other images, so results are not
            comparable with the papers'.
        split_seed: the seed of that permutation.
        train_on_val: train on the validation images too, without validation.

    Raises:
        DataError: the file is missing, damaged, or not the expected one.
        ValueError: no such binarization or split.
    """
    check_binarization(binarization, "static")
    if split not in ("official", "seeded"):
        raise ValueError(f"split={split!r} is unknown; allowed: official, seeded")
    folder = root_folder(root)
    name = SPLIT_FILE if split == "official" else WHOLE_FILE
    if download and not has_file(name, folder, LAYOUTS):
        fetch(fetch_url(URL + name, folder, MD5[name]), folder, name)
    path = find_file(name, folder, LAYOUTS, f"{URL}{name} (the option download does it)")
    arrays = read_arrays(path)
    if split == "official":
        images = {
            part: _images(arrays, f"{part}_data", f"{part}_labels", size, path)
            for part, size in SIZES.items()
        }
    else:
        whole = _images(arrays, "X", "Y", sum(SIZES.values()), path)
        images = cut(whole, {part: SIZES[part] for part in HELD_OUT}, split_seed)
    return binarized_dataset("caltech_silhouettes", images, binarization, train_on_val)


def _images(arrays: dict[str, Array], data: str, labels: str, n: int, path: Any) -> Images:
    stored = find_array(arrays, data, (n, 784), path)
    if not np.isin(stored, (0, 1)).all():
        raise DataError(f"{path}, array {data}, must hold only 0 and 1")
    classes = arrays.get(labels)
    if classes is None or classes.size != n:
        raise DataError(f"{path} has no array {labels} of {n} labels")
    objects = (stored == 0) * np.uint8(255)
    upright = objects.reshape(n, 1, 28, 28).swapaxes(2, 3)
    return Images(upright, classes.reshape(n).astype(np.int64))
