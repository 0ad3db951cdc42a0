"""Bad configurations: one line that names the key, what it was, and what is allowed."""

from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nfvae.config import parse_config
from nfvae.errors import ConfigError
from nfvae.flows import FLOWS

CONF = Path(__file__).parent.parent / "conf"

BAD = [
    ("K=-1", "K=-1", "greater than or equal to 0"),
    ("K=1.5", "K=1.5", "valid integer"),
    ("K=abc", "K=abc", "valid integer"),
    ("K=true", "K=True", "valid integer"),
    ("K=null", "K=null", "valid integer"),
    ("K=1000000000", "K=1000000000", "less than or equal to 10000"),
    ("seed=-1", "seed=-1", "greater than or equal to 0"),
    ("device=gpu", "device=gpu", "'auto', 'cpu' or 'cuda'"),
    ("+foo=1", "foo is not a key", "known: K, data, device"),
    ("+trainer.max_step=1", "trainer.max_step is not a key", "max_steps"),
    ("+flow.depth=3", "flow.depth is not a key", "constraint"),
    ("flow.name=planr", "flow.name=planr", "planar"),
    ("flow.name=[planar]", "flow.name=['planar']", "planar"),
    ("flow.constraint=none", "flow.constraint=none", "'identity' or 'paper'"),
    ("data.name=cifar", "data.name=cifar", "'mnist'"),
    ("data.binarization=threshold", "data.binarization=threshold", "'dynamic', 'fixed' or"),
    ("model.latent_dim=0", "model.latent_dim=0", "greater than or equal to 1"),
    ("model.latent_dim=2.0", "model.latent_dim=2.0", "valid integer"),
    ("model.hidden=[]", "model.hidden", "at least 1 item"),
    ("model.hidden=[400,0]", "model.hidden.1=0", "greater than or equal to 1"),
    ("model.hidden=400", "model.hidden=400", "valid list"),
    ("model.activation=swish", "model.activation=swish", "'silu', 'relu' or 'gated'"),
    ("optim.lr=nan", "optim.lr=nan", "finite number"),
    ("optim.lr=0", "optim.lr=0", "greater than 0"),
    ("optim.lr=inf", "optim.lr=inf", "finite number"),
    ("optim.lr=fast", "optim.lr=fast", "valid number"),
    ("optim.betas=[0.9]", "optim.betas", "at least 2 items"),
    ("optim.betas=[0.9,1.0]", "optim.betas.1=1.0", "less than 1"),
    ("optim.decay=linear", "optim.decay=linear", "'none' or 'cosine'"),
    ("optim.grad_clip=-1", "optim.grad_clip=-1", "greater than 0"),
    ("optim.warmup_steps=-5", "optim.warmup_steps=-5", "greater than or equal to 0"),
    ("objective.num_samples=0", "objective.num_samples=0", "greater than or equal to 1"),
    ("objective.annealing=cyclic", "objective.annealing=cyclic", "'none', 'energy' or 'kl'"),
    ("objective.annealing_start=2", "objective.annealing_start=2", "less than or equal to 1"),
    ("trainer.max_steps=0", "trainer.max_steps=0", "greater than or equal to 1"),
    ("trainer.max_steps=1e4", "trainer.max_steps=10000.0", "valid integer"),
    ("trainer.batch_size=-100", "trainer.batch_size=-100", "greater than or equal to 1"),
    ("trainer.early_stopping=0", "trainer.early_stopping=0", "greater than or equal to 1"),
    ("trainer.progress=maybe", "trainer.progress=maybe", "valid boolean"),
    ("eval.elbo_draws=1", "eval.elbo_draws=1", "greater than or equal to 2"),
    ("eval.num_samples=-1", "eval.num_samples=-1", "greater than or equal to 0"),
    ("eval.checkpoint=newest", "eval.checkpoint=newest", "'best' or 'last'"),
    ("run.name=a/b", "run.name=a/b", "match pattern"),
    ("run.name=..", "run.name=..", "match pattern"),
    ("run.dir=", "run.dir=", "at least 1 character"),
    ("flow=none K=3", "flow=none", "K must be 0, got K=3"),
    ("run.dir=x run.name=y", "run", "dir or name, not both"),
]


@pytest.mark.parametrize(("overrides", "key", "allowed"), BAD, ids=[row[0] for row in BAD])
def test_refused_in_one_line(make_config, overrides, key, allowed):
    with pytest.raises(ConfigError) as caught:
        make_config(*overrides.split())
    message = str(caught.value)
    assert key in message
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize("override", ["Kk=16", "flow=planr", "trainer.max_step=3", "K="])
def test_what_hydra_refuses(make_config, override):
    with pytest.raises((HydraException, OmegaConfBaseException, ConfigError)):
        make_config(override)


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
    with pytest.raises(ConfigError, match=r"protocol=.* should match pattern"):
        parse_config(make_config().model_dump() | {"protocol": name})
