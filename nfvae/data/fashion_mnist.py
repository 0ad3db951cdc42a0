"""Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 28×28 grey pictures of clothes, in MNIST's form.

Training is the first 50,000 images of the training file, validation its last 10,000, test the test
file, as for MNIST. Papers on VAEs take grey levels as Bernoulli probabilities.
"""

from nfvae.data.assemble import binarized_dataset
from nfvae.data.binarize import Binarization, check_binarization
from nfvae.data.dataset import Dataset, register
from nfvae.data.download import download as fetch
from nfvae.data.files import CACHE, find_file, has_file, root_folder
from nfvae.data.idx import IdxFile, read_idx_file
from nfvae.data.mnist import split_idx

# In the folder itself, or where torchvision.datasets.FashionMNIST(root) keeps them.
LAYOUTS = (".", "FashionMNIST/raw", "raw")

SOURCE = (
    "https://github.com/zalandoresearch/fashion-mnist (the option download does it), or install "
    "Debian's dataset-fashion-mnist and give root=/usr/share/datasets/fashion-mnist"
)

# sha256 of the unzipped files.
FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


@register("fashion_mnist")
def fashion_mnist(
    *,
    root: str = CACHE,
    download: bool = False,
    binarization: Binarization = "dynamic",
    train_on_val: bool = False,
) -> Dataset:
    """Fashion-MNIST: 28×28 grey levels, 10 classes, bits by default.

    Args:
        root: folder with the four IDX files (gzipped or not), or torchvision's folder.
        download: fetch missing files by torchvision into `root`.
        binarization: see `nfvae.data.binarize.Binarization`; not "static": nobody has published
            static bits.
        train_on_val: train on all 60,000 images, without validation.

    Raises:
        DataError: a file is missing, damaged, or not the expected one.
        ValueError: no such binarization.
    """
    check_binarization(binarization, "dynamic", "fixed", "none")
    folder = root_folder(root)
    if download and not all(has_file(file.names, folder, LAYOUTS) for file in FILES):
        fetch(
            lambda datasets: datasets.FashionMNIST(str(folder), download=True),
            folder,
            "Fashion-MNIST",
        )
    arrays = [
        read_idx_file(
            file, find_file(file.names, folder, LAYOUTS, SOURCE), f"Fashion-MNIST {file.name}"
        )
        for file in FILES
    ]
    return binarized_dataset("fashion_mnist", split_idx(*arrays), binarization, train_on_val)
