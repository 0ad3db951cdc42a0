"""Every command of the documentation composes, and names a script that exists."""

import shlex

import pytest
from hydra import compose, initialize_config_dir

from nfvae.experiments.configuration.conf import CONF

from .pages import HOW_TO, PAGES, README, ROOT, commands

OF_HYDRA = ("train", "evaluate", "picture", "fit_energy", "posterior_2d", "benchmark")
COMMANDS = [command for page in PAGES if page not in HOW_TO for command in commands(page)]


def first_of_a_sweep(override):
    return override if "[" in override else override.partition(",")[0]


@pytest.mark.parametrize(
    ("script", "arguments"), [command for command in COMMANDS if command[0] in OF_HYDRA]
)
def test_every_command_composes(script, arguments, make_config):
    options = {"-m", "--help", "--cfg", "job"}
    words = [word for word in shlex.split(arguments) if word not in options]
    overrides = [first_of_a_sweep(word) for word in words]
    if script == "train":
        make_config(*overrides)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        compose(script, overrides=overrides)


@pytest.mark.parametrize(
    "script", sorted({script for page in PAGES for script, _ in commands(page)})
)
def test_every_script_exists(script):
    assert (ROOT / "scripts" / f"{script}.py").is_file()


def test_the_two_commands_are_complete_lines():
    start = "python3 -m venv .venv && .venv/bin/pip install -e "
    lines = [line for line in README.read_text().splitlines() if line.startswith(start)]
    assert lines == [
        f"{start}. && .venv/bin/python scripts/train.py flow=planar K=16",
        f"{start}'.[dev]' && .venv/bin/python -m pytest",
    ]
