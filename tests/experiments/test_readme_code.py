"""What the README gives to type is what the program takes."""

import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir

from nfvae.experiments.conf import CONF
from nfvae.flows import FLOWS

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = re.findall(r"^python scripts/(\w+)\.py ?(.*)$", README, re.MULTILINE)
OF_HYDRA = ("train", "evaluate", "fit_energy", "posterior_2d", "benchmark")


def block(language, mark):
    (found,) = (
        text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if mark in text
    )
    return found


def first_of_a_sweep(override):
    return override if "[" in override else override.partition(",")[0]


@pytest.mark.parametrize(
    ("script", "arguments"), [command for command in COMMANDS if command[0] in OF_HYDRA]
)
def test_every_command_composes(script, arguments, make_config):
    overrides = [first_of_a_sweep(word) for word in shlex.split(arguments) if word != "-m"]
    if script == "train":
        make_config(*overrides)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        compose(script, overrides=overrides)


@pytest.fixture
def scaling():
    """The example of a new flow, registered while the test lasts."""
    exec(block("python", '@register("scaling")'), {})
    yield FLOWS["scaling"](3, 4).double()
    del FLOWS["scaling"]


def test_the_example_of_a_flow_is_one(scaling):
    assert yaml.safe_load(block("yaml", "scaling")) == {"name": "scaling"}
    z = torch.randn(3, dtype=torch.float64)
    y, log_det = scaling(z, scaling.initial_params().double())
    assert torch.equal(y, z)
    assert log_det == 0
    params = torch.randn(scaling.param_size, dtype=torch.float64)
    y, log_det = scaling(z, params)
    jacobian = torch.autograd.functional.jacobian(lambda point: scaling(point, params)[0], z)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian)[1])
    back, inverse_log_det = scaling.inverse(y, params)
    torch.testing.assert_close(back, z)
    torch.testing.assert_close(inverse_log_det, -log_det)
