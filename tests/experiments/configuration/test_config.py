"""The YAML files of conf/ compose to configurations that can be trained."""

from pathlib import Path

import pytest
import yaml

from nfvae.experiments.configuration.config import parse_config
from nfvae.experiments.configuration.parts import REGISTRIES
from nfvae.experiments.errors import ConfigError
from nfvae.flows import FLOWS

CONF = Path(__file__).parents[3] / "conf"


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
    own = ["flow.flows=[{name: planar, K: 2}]"] if path.stem == "compose" else []
    make_config(f"{path.parent.name}={path.stem}", *own)


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
    assert config.data["binarization"] == "fixed"
    assert (config.latent_dim, config.model["hidden"]) == (40, [400, 400])


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".hidden", "two words"])
def test_protocol_is_a_plain_name(make_config, name):
    with pytest.raises(ConfigError, match=r"protocol=.* should be letters, digits"):
        parse_config(make_config().model_dump() | {"protocol": name})


def test_flows_compose_from_the_command_line(make_config):
    config = make_config("flow=compose", "flow.flows=[{name: planar, K: 8}, {name: iaf, K: 2}]")
    assert config.K == 10
    assert config.flow["flows"][1]["hidden_size"] == 320  # a default
    for flows, message in (
        ("[]", "needs a list of flows, each with its K"),
        ("[{name: planar}]", r"flow\.flows\.0 needs a K"),
        ("[{name: planar, K: 1, u: 2}]", r"flow\.flows\.0\.u is not a key here"),
        ("[{name: plnar, K: 1}]", r"flow\.flows\.0\.name=plnar is unknown"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_config("flow=compose", f"flow.flows={flows}")
    with pytest.raises(ConfigError, match=r"K=3 but the flows .* have 1 in all"):
        make_config("flow=compose", "flow.flows=[{name: planar, K: 1}]", "K=3")


@pytest.mark.parametrize("group", sorted(REGISTRIES))
def test_yaml_and_signature_have_the_same_defaults(group):
    registry = REGISTRIES[group]
    for name in registry:
        content = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
        section = content.get(group, content)  # of a file that sets K too
        section = {key: value for key, value in section.items() if key != "latent_dim"}
        defaults = {key: option.default for key, option in registry.options(name).items()}
        assert section == {"name": name, **defaults}


def test_an_option_of_another_optimizer_is_unknown(make_config):
    with pytest.raises(ConfigError, match=r"optim\.momentum is not a key here; known: betas, "):
        parse_config(mapping(make_config(), "optim", momentum=0.5))
    with pytest.raises(ConfigError, match=r"optim\.name=sgd is unknown; known: 'adam', 'rmsprop'"):
        parse_config(mapping(make_config(), "optim", name="sgd"))
    with pytest.raises(ConfigError, match=r"optim\.lr=-1\.0 should be greater than 0"):
        parse_config(mapping(make_config(), "optim", lr=-1.0))


def mapping(config, section, **changes):
    plain = config.model_dump()
    return plain | {section: plain[section] | changes}
