"""The YAML files of conf/ compose to configurations that can be trained."""

from pathlib import Path

import pytest

from nfvae.experiments.config import parse_config
from nfvae.experiments.errors import ConfigError
from nfvae.flows import FLOWS

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_flow_has_a_yaml_that_composes(make_config, name):
    config = make_config(f"flow={name}", *([] if name == "none" else ["K=1"]))
    assert config.flow["name"] == name


OF_OTHER_SCRIPTS = {"rezende_figure3"}  # composed in tests/energies


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(CONF.glob("*/*.yaml")) if path.stem not in OF_OTHER_SCRIPTS],
    ids=lambda path: path.stem,
)
def test_every_group_composes(make_config, path):
    make_config(f"{path.parent.name}={path.stem}")


def test_protocol_of_the_paper(make_config):
    config = make_config("protocol=paper")
    assert config.protocol == "paper"
    assert (config.optim.name, config.optim.lr, config.optim.momentum) == ("rmsprop", 1e-5, 0.9)
    assert (config.optim.decay, config.optim.warmup_steps, config.optim.grad_clip) == (
        "none",
        0,
        None,
    )
    assert config.trainer.max_steps == 500_000
    assert config.objective.annealing == "energy"
    assert (config.objective.annealing_start, config.objective.annealing_steps) == (0.01, 10_000)


@pytest.mark.parametrize("experiment", ["rezende2015", "rezende2015_quick"])
@pytest.mark.parametrize("protocol", ["ours", "paper", "quick"])
def test_experiment_takes_any_protocol(make_config, experiment, protocol):
    config = make_config(f"experiment={experiment}", f"protocol={protocol}", "flow=nice", "K=10")
    assert config.optim == make_config(f"protocol={protocol}").optim
    assert config.trainer.max_steps == make_config(f"protocol={protocol}").trainer.max_steps
    assert config.run.dir == f"outputs/rezende2015/{protocol}/nice_K10_seed0"
    assert config.data.binarization == "fixed"
    assert (config.model.latent_dim, config.model.hidden) == (40, [400, 400])


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".hidden", "two words"])
def test_protocol_is_a_plain_name(make_config, name):
    with pytest.raises(ConfigError, match=r"protocol=.* should be letters, digits"):
        parse_config(make_config().model_dump() | {"protocol": name})
