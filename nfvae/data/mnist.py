"""MNIST: 50,000 images to train on, 10,000 to validate, 10,000 to test.

Training is the first 50,000 images of the training file, validation its last 10,000, test the test
file: the split of Larochelle & Murray (2011) and of the papers.
"""

from pathlib import Path

from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import Binarization, check_binarization
from nfvae.data.dataset import Dataset, SplitName, register
from nfvae.data.files import find_file, root_folder
from nfvae.data.idx import Bytes, IdxFile, read_idx_file
from nfvae.data.static import read_static_mnist

EMBEDDED = Path(__file__).parent / "mnist"

# In the folder itself, or where torchvision.datasets.MNIST(root) and its `MNIST` folder keep them.
LAYOUTS = (".", "MNIST/raw", "raw")

NUM_TRAIN = 50_000


@register("mnist")
def mnist(
    *,
    root: str | None = None,
    binarization: Binarization = "dynamic",
    train_on_val: bool = False,
) -> Dataset:
    """MNIST: 28×28 grey levels, 10 digits, bits by default.

    Args:
        root: folder with your own copy: the IDX files (gzipped or not), in it or in torchvision's
            subfolders; for static bits see `nfvae.data.static`. None reads the files in the
            package.
        binarization: see `nfvae.data.binarize.Binarization`.
        train_on_val: train on all 60,000 images, without validation.

    Raises:
        DataError: a file is missing, damaged, or not the expected one.
        ValueError: no such binarization.
    """
    check_binarization(binarization, "dynamic", "fixed", "static", "none")
    folder = None if root is None else root_folder(root)
    images = read_static_mnist(folder) if binarization == "static" else _read_levels(folder)
    return binarized_dataset("mnist", images, binarization, train_on_val)


def _read_levels(root: Path | None) -> dict[SplitName, Images]:
    return split_idx(*(read_mnist_file(file, root) for file in FILES))


def split_idx(
    pixels: Bytes, labels: Bytes, test_pixels: Bytes, test_labels: Bytes
) -> dict[SplitName, Images]:
    """The three splits from the arrays of the four files: [60000, 28, 28], [60000], …"""
    pixels = pixels[:, None]
    return {
        "train": Images(pixels[:NUM_TRAIN], labels[:NUM_TRAIN]),
        "val": Images(pixels[NUM_TRAIN:], labels[NUM_TRAIN:]),
        "test": Images(test_pixels[:, None], test_labels),
    }


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte",
    (60_000, 28, 28),
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte",
    (60_000,),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte",
    (10_000, 28, 28),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte",
    (10_000,),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def read_mnist_file(file: IdxFile, root: Path | None = None) -> Bytes:
    """Array of one MNIST file, from `root` or, without one, from this package.

    Raises:
        DataError: the file is missing, unreadable, or not MNIST's byte for byte.
    """
    path = find_file(file.names, EMBEDDED if root is None else root, LAYOUTS)
    return read_idx_file(file, path, f"MNIST {file.name}")
