"""Data sets by name, in memory, and batches of them.

data = load_dataset("mnist", binarization="dynamic")
sampler = BatchSampler(len(data.train), batch_size=100, seed=0)
x = data.train.batch(sampler.indices(step), generator)     # float32 [100, 1, 28, 28] of 0 and 1

mine = load_dataset("arrays", path="mine.npz")             # your own images
"""

from nfvae.data.assemble import Images, binarized_dataset
from nfvae.data.binarize import Binarization
from nfvae.data.dataset import DATASETS, Dataset, Split, SplitName, load_dataset, register
from nfvae.data.sampler import BatchSampler
from nfvae.registry import import_all

import_all(__name__, __path__)

__all__ = [
    "DATASETS",
    "BatchSampler",
    "Binarization",
    "Dataset",
    "Images",
    "Split",
    "SplitName",
    "binarized_dataset",
    "load_dataset",
    "register",
]
