"""Every data set has a file in conf/data with the defaults of its function, and checked options."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nfvae.data import DATASETS
from nfvae.experiments.configuration.parts import check_part, read_data
from nfvae.experiments.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "data"


def conf(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))


def test_there_is_one_file_per_data_set() -> None:
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == sorted(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_the_file_has_the_defaults_of_the_function(name: str) -> None:
    defaults = {key: option.default for key, option in DATASETS.options(name).items()}
    assert conf(name) == {"name": name, **defaults}
    assert list(conf(name))[1:] == list(defaults)
    assert check_part(DATASETS, "data", conf(name)) == conf(name)


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_says_how_it_is_binarized_and_validated(name: str) -> None:
    assert {"binarization", "train_on_val"} <= DATASETS.options(name).keys()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("arrays", {"val_fraction": 0.0}),
        ("arrays", {"test_fraction": 1.0}),
        ("arrays", {"image_shape": "28x28"}),
        ("arrays", {"split_seed": -1}),
        ("arrays", {"split_seed": 2**32}),
        ("omniglot", {"source": "all"}),
        ("caltech_silhouettes", {"binarization": "dynamic"}),
        ("fashion_mnist", {"root": None}),
        ("mnist", {"download": True}),
    ],
)
def test_options_out_of_range_are_refused_before_any_work(name: str, options: dict) -> None:
    with pytest.raises(ConfigError, match=r"^data\.[^\n]+$"):
        check_part(DATASETS, "data", conf(name) | options)


def test_own_images_through_the_config(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.zeros((50, 60), np.uint8) + np.arange(60, dtype=np.uint8))
    options = {"path": str(tmp_path / "mine.npy"), "image_shape": [3, 4, 5]}
    section = check_part(DATASETS, "data", conf("arrays") | options)
    assert read_data(section).image_shape == (3, 4, 5)
    with pytest.raises(ConfigError, match="path is missing"):
        read_data(conf("arrays"))
