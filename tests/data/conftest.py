import pytest

from nfvae.data import Dataset, load_dataset


@pytest.fixture(scope="session")
def dynamic() -> Dataset:
    return load_dataset("mnist", binarization="dynamic")


@pytest.fixture(scope="session")
def fixed() -> Dataset:
    return load_dataset("mnist", binarization="fixed")
