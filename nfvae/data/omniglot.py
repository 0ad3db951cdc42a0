"""Omniglot (Lake, Salakhutdinov & Tenenbaum 2015): 28×28 characters of 50 alphabets.

Papers on VAEs use the file chardata.mat of the code of Burda, Grosse & Salakhutdinov (2016,
"Importance Weighted Autoencoders"): grey levels of 28×28 pixels, 24,345 training and 8,070 test
images. That code (datasets.py) permutes the training images with seed 123 and keeps the last 1,345
for validation, and so does this reader by default. Sylvester flows (van den Berg et al. 2018,
utils/load_data.py) hold out as many, drawn with the seed of the run.

Lake's own files are drawings of 105×105 black and white pixels. They are inverted, so that ink is
1, and resized to 28×28 grey levels by Pillow's Lanczos filter, as in the code of MAML (Finn, Abbeel
& Levine 2017). chardata.mat was made in another way, so results on the two are not comparable.
"""

import re
import struct
import zlib
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from nfvae.data.array_files import read_arrays
from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import Binarization, check_binarization
from nfvae.data.dataset import Dataset, SplitName, register
from nfvae.data.download import download as fetch
from nfvae.data.download import fetch_url
from nfvae.data.files import CACHE, find_file, has_file, printable, read_bytes, root_folder
from nfvae.data.npy import Array, find_array
from nfvae.data.splitting import SplitSeed, cut
from nfvae.errors import DataError

# In the folder itself, or where torchvision.datasets.Omniglot(root) keeps them.
LAYOUTS = (".", "omniglot", "OMNIGLOT", "omniglot-py")

CHARDATA = "chardata.mat"
CHARDATA_URL = "https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/chardata.mat"
CHARDATA_MD5 = "21ecaf34373511aa7691cf2e0802aa3d"
NUM_TRAIN, NUM_VAL, NUM_TEST = 23_000, 1_345, 8_070

ZIPS_URL = "https://github.com/brendenlake/omniglot/tree/master/python"


class DrawingsFile(NamedTuple):
    """One of Lake's archives of PNG files: its name without .zip, and its number of drawings."""

    name: str
    num_drawings: int


FILES: dict[str, tuple[DrawingsFile, ...]] = {
    "drawings": (
        DrawingsFile("images_background", 19_280),
        DrawingsFile("images_evaluation", 13_180),
    ),
    "small": (
        DrawingsFile("images_background_small1", 2_720),
        DrawingsFile("images_background_small2", 3_120),
    ),
}

MAX_ZIP_BYTES = 100_000_000  # the largest of the archives has 9.5 million
MAX_PNG_BYTES = 10_000  # the drawings have less than 500


@register("omniglot")
def omniglot(
    *,
    root: str = CACHE,
    source: Literal["chardata", "drawings", "small"] = "chardata",
    download: bool = False,
    binarization: Binarization = "dynamic",
    split_seed: SplitSeed = 123,
    train_on_val: bool = False,
) -> Dataset:
    """Omniglot: 28×28 grey levels, 50 alphabets, bits by default.

    Args:
        root: folder with the files of `source`.
        source: "chardata" is chardata.mat, the papers' file. "drawings" is images_background.zip
            and images_evaluation.zip, all 32,460 drawings. "small" is images_background_small1.zip
            and images_background_small2.zip, 4,840 different drawings. Drawings are split at
            random, in the proportions of chardata.mat.
        download: fetch missing files by torchvision into `root`; not for "small".
        binarization: see `nfvae.data.binarize.Binarization`; not "static": nobody has published
            static bits.
        split_seed: seed of the permutation that separates validation images from training images
            (and, for drawings, test images); 123 in the code of Burda et al.
        train_on_val: train on the validation images too, without validation.

    Raises:
        DataError: a file is missing, damaged, or not the expected one.
        ValueError: no such binarization or source; a download of "small".
    """
    check_binarization(binarization, "dynamic", "fixed", "none")
    if source not in ("chardata", *FILES):
        raise ValueError(f"source={source!r} is unknown; allowed: chardata, drawings, small")
    folder = root_folder(root)
    if download:
        _download(source, folder)
    if source == "chardata":
        path = find_file(CHARDATA, folder, LAYOUTS, f"{CHARDATA_URL} (the option download does it)")
        arrays = read_arrays(path)
        rest = _chardata(arrays, "data", "target", NUM_TRAIN + NUM_VAL, path)
        test = _chardata(arrays, "testdata", "testtarget", NUM_TEST, path)
        images = cut(rest, {"val": NUM_VAL}, split_seed) | {"test": test}
    else:
        drawings = read_drawings(source, folder)
        n, whole = len(drawings.pixels), NUM_TRAIN + NUM_VAL + NUM_TEST
        held_out: dict[SplitName, int] = {
            "val": round(n * NUM_VAL / whole),
            "test": round(n * NUM_TEST / whole),
        }
        images = cut(drawings, held_out, split_seed)
    return binarized_dataset("omniglot", images, binarization, train_on_val)


def _download(source: str, folder: Path) -> None:
    if source == "chardata":
        if not has_file(CHARDATA, folder, LAYOUTS):
            fetch(fetch_url(CHARDATA_URL, folder, CHARDATA_MD5), folder, CHARDATA)
    elif source == "drawings":
        for file in FILES[source]:
            if not has_file(f"{file.name}.zip", folder, LAYOUTS):
                fetch(partial(_fetch_zip, file, folder), folder, f"{file.name}.zip")
    else:
        raise ValueError(f"download is not possible for source={source!r}; get it from {ZIPS_URL}")


def _fetch_zip(file: DrawingsFile, folder: Path, datasets: Any) -> None:
    background = file.name == "images_background"
    datasets.Omniglot(str(folder), background=background, download=True)


def _chardata(arrays: dict[str, Array], data: str, labels: str, n: int, path: Path) -> Images:
    """Images of levels in [0, 1]: one image per column, its pixels column by column.

    Labels, if there are any, are one-hot.
    """
    columns = find_array(arrays, data, (784, n), path)
    with np.errstate(invalid="ignore"):
        inside = bool(((columns >= 0) & (columns <= 1)).all())  # false for NaN
    if not inside:
        raise DataError(f"{path}, array {data}, must hold numbers from 0 to 1")
    levels = np.rint(columns.T * 255.0).astype(np.uint8)
    alphabets = arrays.get(labels)
    if alphabets is not None:
        alphabets = alphabets.argmax(0) if alphabets.shape == (50, n) else None
    return Images(levels.reshape(n, 1, 28, 28).swapaxes(2, 3), alphabets)


def read_drawings(source: str, root: Path) -> Images:
    """Lake's drawings as levels, 255 for ink, in the order of their names; labels are alphabets.

    A drawing in several archives counts once: small1 and small2 have 1,000 in common.

    Raises:
        DataError: an archive is missing, damaged, or holds other files than the drawings.
    """
    drawings: dict[str, tuple[str, npt.NDArray[np.uint8]]] = {}
    for file in FILES[source]:
        name = f"{file.name}.zip"
        path = find_file(name, root, LAYOUTS, ZIPS_URL)
        drawings |= _read_zip(path, file)
    ordered = [drawings[name] for name in sorted(drawings)]
    alphabets = sorted({alphabet for alphabet, _ in ordered})
    labels = np.array([alphabets.index(alphabet) for alphabet, _ in ordered])
    return Images(np.stack([image for _, image in ordered])[:, None], labels)


def _read_zip(path: Path, file: DrawingsFile) -> dict[str, tuple[str, npt.NDArray[np.uint8]]]:
    content = read_bytes(path, MAX_ZIP_BYTES)
    found: dict[str, tuple[str, npt.NDArray[np.uint8]]] = {}
    try:
        with ZipFile(BytesIO(content)) as archive:
            for member in archive.infolist():
                # …/ALPHABET/characterNN/CCCC_DD.png: the character's number and the drawer's.
                named = re.search(r"([^/]+)/character\d+/(\d{4}_\d{2})\.png$", member.filename)
                if named is None or "__MACOSX" in member.filename:
                    continue
                where = f"{path}, {printable(member.filename)},"
                if member.flag_bits & 1 or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise DataError(f"{where} is encrypted or packed in an unknown way")
                if member.file_size > MAX_PNG_BYTES:
                    raise DataError(f"{where} is too large: more than {MAX_PNG_BYTES} bytes")
                found[named[2]] = named[1], read_drawing(archive.read(member), where)
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())})") from None
    if len(found) != file.num_drawings:
        raise DataError(f"{path} holds {len(found)} drawings, must be {file.num_drawings}")
    return found


def read_drawing(png: bytes, where: str) -> npt.NDArray[np.uint8]:
    """One drawing of 105×105 pixels as levels [28, 28], 255 for ink.

    Args:
        png: the file, black ink on a white background.
        where: its name, for messages.

    Raises:
        DataError: the file is not such a PNG file.
    """
    from PIL import Image  # only here: the other data sets do not need it

    # Checked before Pillow unpacks anything, since a small file may claim any size.
    size = (
        struct.unpack(">II", png[16:24])
        if png[:8] == b"\x89PNG\r\n\x1a\n" and len(png) > 24
        else None
    )
    if size != (105, 105):
        raise DataError(f"{where} must be a PNG file of 105×105 pixels")
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as image:
            if image.mode not in ("1", "L"):
                raise DataError(f"{where} must be black and white, is {image.mode}")
            ink = Image.fromarray(255 - np.asarray(image.convert("L")))
            small = ink.resize((28, 28), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{where} is damaged ({' '.join(str(error).split())})") from None
    return np.asarray(small)
