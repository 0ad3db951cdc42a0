"""The user's own images, from a file of arrays."""

from collections.abc import Sequence
from math import isqrt, prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Gt, Lt

from nfvae.data.array_files import read_arrays
from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import Binarization, check_binarization
from nfvae.data.dataset import Dataset, SplitName, register
from nfvae.data.files import expand
from nfvae.data.npy import Array
from nfvae.data.splitting import SplitSeed, cut
from nfvae.errors import DataError
from nfvae.images import ImageShape, Values

PARTS: tuple[SplitName, ...] = ("train", "val", "test")

Fraction = Annotated[float, Gt(0), Lt(1)]


@register("arrays")
def arrays(
    *,
    path: str | None = None,
    image_shape: Sequence[int] | None = None,
    binarization: Binarization = "dynamic",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    split_seed: SplitSeed | None = 0,
    train_on_val: bool = False,
) -> Dataset:
    """Your own images: any size, any number of channels.

    Arrays are [N, P], [N, H, W] or [N, C, H, W], of one of three kinds, the same in all splits:
    bits, where all values are 0 or 1; levels, integers from 0 to 255; real numbers from 0 to 1.

    Args:
        path: a .npz or .mat file with the array `train` and, optionally, `val` and `test`; or a
            file with one array: .npy, IDX (gzipped or not), or .amat of bits like Larochelle's.
            Missing splits are taken from `train`.
        image_shape: [C, H, W], needed where images are flat and not square. Rows that hold an
            eighth of C·H·W bytes are bits packed by numpy.packbits.
        binarization: "dynamic", "fixed" or "none" for levels and real numbers, which are read as
            probabilities (real numbers to the nearest k/255); "static" for bits.
        val_fraction: fraction of `train` for validation if there is no `val`.
        test_fraction: fraction of `train` for test if there is no `test`.
        split_seed: `train` is permuted with this seed before the split; None keeps the order:
            training, validation, test.
        train_on_val: train on the validation images too, without validation.

    Raises:
        DataError: the file is missing, damaged, or holds something other than images.
        ValueError: the binarization or the fractions do not fit, or there is no path.
    """
    if not path:
        raise ValueError("path is missing; give the file that holds your images")
    check_binarization(binarization, "dynamic", "fixed", "static", "none")
    file = expand(path, "path")
    shape = _checked_shape(image_shape)
    found = {
        name: to_images(array, shape, f"{file}, array {name}," if name else str(file))
        for name, array in _named(read_arrays(file), file).items()
    }
    kind, pixels = _one_kind(found, file)
    _check_fit(binarization, kind, file)
    images: dict[SplitName, Images] = {
        name: Images(pixels[name]) for name in PARTS if name in pixels
    }
    n = len(pixels["train"])
    fractions: dict[SplitName, float] = {"val": val_fraction, "test": test_fraction}
    held_out = {
        name: round(n * fraction) for name, fraction in fractions.items() if name not in pixels
    }
    if held_out:
        images = images | cut(images["train"], held_out, split_seed)
    return binarized_dataset("arrays", images, binarization, train_on_val)


def _named(arrays: dict[str, Array], file: Path) -> dict[SplitName, Array]:
    if arrays.keys() == {""}:
        return {"train": arrays[""]}
    if "train" not in arrays or not arrays.keys() <= set(PARTS):
        held = ", ".join(sorted(arrays)) or "no arrays of numbers"
        raise DataError(
            f"{file} holds {held[:200]}; it must hold the array train and may hold val and test"
        )
    return {name: arrays[name] for name in PARTS if name in arrays}


def _checked_shape(image_shape: Sequence[int] | None) -> ImageShape | None:
    if image_shape is None:
        return None
    if len(image_shape) != 3 or any(size < 1 for size in image_shape):
        raise ValueError(f"image_shape={list(image_shape)} must be [C, H, W], each at least 1")
    channels, height, width = image_shape
    return channels, height, width


def to_images(array: Array, shape: ImageShape | None, where: str) -> Array:
    """[N, P], [N, H, W] or [N, C, H, W] -> [N, C, H, W].

    Args:
        array: numbers.
        shape: (C, H, W), or None if it follows from the array.
        where: the array's name, for messages.

    Raises:
        DataError: the array cannot hold images, or images of this shape.
    """
    stated = list(array.shape)
    if array.ndim not in (2, 3, 4):
        raise DataError(
            f"{where} has the shape {stated}; images are [N, P], [N, H, W] or [N, C, H, W]"
            + (" (labels in place of images?)" if array.ndim == 1 else "")
        )
    if array.size == 0:
        raise DataError(f"{where} has the shape {stated}, which holds no pixels")
    if array.size == len(array):
        raise DataError(
            f"{where} has the shape {stated}: images of one pixel (labels in place of images?)"
        )
    if array.ndim == 2:
        size = array.shape[1]
        if shape is None:
            side = isqrt(size)
            if side * side != size:
                raise DataError(
                    f"{where} holds images of {size} pixels, which is not a square; give "
                    "image_shape"
                )
            shape = 1, side, side
        pixels = prod(shape)
        if array.dtype == np.uint8 and size != pixels and size == -(-pixels // 8):
            array = np.unpackbits(array.astype(np.uint8, copy=False), axis=1, count=pixels)
        elif size != pixels:
            raise DataError(
                f"{where} holds images of {size} pixels; image_shape={list(shape)} has {pixels}"
            )
        return array.reshape(len(array), *shape)
    images = array if array.ndim == 4 else array[:, None]
    if shape is None and array.ndim == 4 and stated[3] in (1, 3, 4) and stated[1] > 4:
        raise DataError(
            f"{where} has the shape {stated}, which looks like [N, H, W, C]; images are "
            "[N, C, H, W] (if they are, give image_shape)"
        )
    if shape is not None and images.shape[1:] != shape:
        raise DataError(f"{where} has the shape {stated}; image_shape={list(shape)} does not fit")
    return images


def _one_kind(
    arrays: dict[SplitName, Array], file: Path
) -> tuple[Values, dict[SplitName, npt.NDArray[Any]]]:
    """The kind of all values, and the pixels as a data set stores them."""
    kinds = {name: kind_of(array, f"{file}, array {name},") for name, array in arrays.items()}
    if len({array.shape[1:] for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise DataError(f"{file} holds images of different shapes: {shapes}")
    are_floats = {array.dtype.kind == "f" for array in arrays.values()}
    if len(set(kinds.values())) > 1 and len(are_floats) > 1:
        stated = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise DataError(f"{file} holds values of different kinds: {stated}; save all in one way")
    # Levels (or real numbers) of one split may happen to be all 0 or 1.
    order: tuple[Values, ...] = ("reals", "levels", "bits")
    kind = next(kind for kind in order if kind in kinds.values())
    if kind == "reals":
        return kind, {name: array.astype(np.float32) for name, array in arrays.items()}
    factor = np.uint8(255 if kind == "bits" else 1)
    return kind, {name: array.astype(np.uint8) * factor for name, array in arrays.items()}


def kind_of(array: Array, where: str) -> Values:
    """Whether values are bits, levels or real numbers.

    Raises:
        DataError: values are NaN, infinite, negative or too large.
    """
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError(f"{where} holds NaN or infinite values")
        if low < 0 or high > 1:
            hint = "; divide levels by 255, or save them as uint8" if low >= 0 else ""
            raise DataError(f"{where} holds values from {low:g} to {high:g}, must be 0 to 1{hint}")
        return "bits" if ((array == 0) | (array == 1)).all() else "reals"
    if low < 0 or high > 255:
        raise DataError(f"{where} holds values from {low} to {high}, must be 0 to 255")
    return "bits" if high <= 1 else "levels"


def _check_fit(binarization: Binarization, kind: Values, file: Path) -> None:
    allowed = ("static",) if kind == "bits" else ("dynamic", "fixed", "none")
    if binarization not in allowed:
        what = {"bits": "bits already", "levels": "levels", "reals": "real numbers"}[kind]
        raise ValueError(
            f"binarization={binarization} does not fit: {file} holds {what}; allowed: "
            + ", ".join(allowed)
        )
