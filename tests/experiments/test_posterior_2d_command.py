"""posterior_2d.py: one run or several, and what it refuses."""

import pytest

from nfvae.experiments.commands.posterior_2d import Posterior2dConfig, _check, posterior_2d
from nfvae.experiments.config import check_section
from nfvae.experiments.errors import ConfigError, RunFolderError
from nfvae.experiments.storage.run_folder import RunFolder

PLAIN = {"run": "a", "images": [0], "file": None, "seed": 0}


def test_one_run_or_several():
    assert check_section(Posterior2dConfig, PLAIN).run == ["a"]
    assert check_section(Posterior2dConfig, PLAIN | {"run": ["a", "b"]}).run == ["a", "b"]


@pytest.mark.parametrize("wrong", [{"run": 3}, {"run": []}, {"images": [-1]}, {"images": []}])
def test_refused_in_one_line(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))) as caught:
        posterior_2d(PLAIN | wrong)
    assert "\n" not in str(caught.value)


def test_needs_a_run_with_two_latents(make_config, tmp_path):
    with pytest.raises(RunFolderError, match="not a run folder"):
        posterior_2d(PLAIN | {"run": str(tmp_path)})
    config = make_config("model.latent_dim=3")
    with RunFolder(tmp_path / "run").held(config), pytest.raises(ConfigError, match="needs 2"):
        posterior_2d(PLAIN | {"run": str(tmp_path / "run")})


def test_only_runs_on_the_same_bits_stand_side_by_side(make_config):
    first = make_config("model.latent_dim=2")
    moved = make_config("model.latent_dim=2", "data.root=/elsewhere")
    assert _check({"a": first, "b": moved}) is first
    other = make_config("model.latent_dim=2", "data.binarization=fixed")
    told = "run=b has data.binarization=fixed, the first run data.binarization=dynamic"
    with pytest.raises(ConfigError, match=told):
        _check({"a": first, "b": other})
