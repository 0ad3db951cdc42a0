from pathlib import Path

import pytest

from nfvae import load, train
from nfvae.errors import NfvaeError
from nfvae.experiments.storage.naming import default_name, run_path


@pytest.fixture
def file_at_home(tmp_path, monkeypatch):
    """A file in the home folder, where a command needs a folder."""
    file = tmp_path / "home" / "file"
    file.parent.mkdir()
    file.touch()
    monkeypatch.setenv("HOME", str(file.parent))
    return file


def test_a_name_follows_from_the_overrides(make_config):
    config = make_config("flow=radial", "K=4", "seed=2")
    overrides = [
        "K=4",
        "seed=2",
        "flow=radial",
        "model.hidden=[20, 30]",
        "run.name=x",
        "device=cpu",
    ]
    assert default_name(config, overrides) == "radial_K4_seed2_hidden-20-30"
    assert default_name(config, []) == "radial_K4_seed2"


def test_a_key_keeps_its_section_where_its_last_part_is_ambiguous(make_config):
    name = default_name(make_config(), ["optim.lr=0.5", "eval.num_samples=7", "eval.seed=3"])
    assert name == "planar_K16_seed0_eval.num_samples-7_eval.seed-3_lr-0.5"


def test_long_names_stay_different(make_config):
    config, value = make_config(), "optim.lr=0." + "0" * 300
    names = [default_name(config, [value + digit]) for digit in "12"]
    assert names[0] != names[1]
    assert all(len(name) == 160 for name in names)


def test_a_run_is_where_the_configuration_says(make_config):
    assert run_path(make_config("run.dir=a/b"), []) == Path("a/b")
    assert run_path(make_config("run.name=mine"), ["K=3"]) == Path("outputs/mine")
    assert run_path(make_config("run.dir='~/a'"), []) == Path.home() / "a"


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "run='~/file'"),
        ("picture", "run='~/file'"),
        ("posterior_2d", "run='~/file'"),
        ("fit_energy", "dir='~/file'"),
        pytest.param(("benchmark", "folder='~/file'"), marks=pytest.mark.slow),
    ],
)
def test_a_path_of_a_command_is_expanded(words, call, file_at_home):
    status, _, error = call(*words)
    assert status == 1
    assert str(file_at_home) in error


def test_paths_from_python_are_expanded(make_config, file_at_home):
    for use in (load, lambda folder: train(make_config("K=0"), folder)):
        with pytest.raises(NfvaeError, match=str(file_at_home)):
            use("~/file")
        with pytest.raises(NfvaeError, match="is empty; name a file or folder"):
            use("")
        with pytest.raises(NfvaeError, match="no such user"):
            use("~nobody-of-that-name")
