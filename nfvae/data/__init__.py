"""MNIST in memory, and batches of its bits.

data = load_dataset("mnist", binarization="dynamic")
schedule = BatchSchedule(len(data.train), batch_size=100, seed=0)
x = gather_batch(data.train, schedule.indices(step), generator)     # float32 [100, 784]
"""

from nfvae.data.batches import BatchSchedule, batches_in_order, epoch_permutation, gather_batch
from nfvae.data.dataset import Binarization, Dataset, Split, SplitName, load_dataset
from nfvae.data.statistics import pixel_mean

__all__ = [
    "BatchSchedule",
    "Binarization",
    "Dataset",
    "Split",
    "SplitName",
    "batches_in_order",
    "epoch_permutation",
    "gather_batch",
    "load_dataset",
    "pixel_mean",
]
