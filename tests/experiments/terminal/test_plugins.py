"""A flow of the user's own, in a module that only the command line names."""

import json

import pytest

from ..processes import FAST

MODULE = """
from nfvae.flows import FLOWS
FLOWS["mine"] = type("Mine", (FLOWS["planar"],), {})
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [None, "submitit_local"])
def test_it_trains_under_every_launcher(launcher, nfvae, tmp_path):
    (tmp_path / "my_flows.py").write_text(MODULE)
    words = ["plugins=my_flows", "flow.name=mine", "K=2", "run.dir=runs/${flow.name}", *FAST]
    sweep = [] if launcher is None else ["-m", f"hydra/launcher={launcher}"]
    ended = nfvae("train", *sweep, *words)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "runs/mine/results.json").read_text())["flow"] == "mine"
    if launcher is None:
        again = nfvae("evaluate", "runs/mine", "eval.num_samples=1", "plugins=my_flows")
        assert again.returncode == 0, again.stderr
        without = nfvae("evaluate", "runs/mine", "eval.num_samples=1")
        assert "flow.name=mine is unknown" in without.stderr


WRONG = [
    ("plugins=nowhere", "there is no module nowhere"),
    ("plugins=a/b.py", "must name modules"),
    ("plugins=", "must name modules"),
    ("+plugins=json", "plugins is not a key"),
    ("+hydra.job.env_set.NFVAE_PLUGINS=json", "NFVAE_PLUGINS, which could make a process load"),
    ("+hydra.job.env_set.PYTHONPATH=x", "PYTHONPATH, which could make a process load"),
]


@pytest.mark.parametrize(("word", "said"), WRONG)
def test_only_the_command_line_names_modules(word, said, call):
    status, _, error = call("train", word)
    assert status == 1
    assert said in error
    assert error.count("\n") == 1


def test_a_configuration_file_names_none(call, tmp_path):
    (tmp_path / "more/experiment").mkdir(parents=True)
    (tmp_path / "module_of_a_file.py").write_text("raise SystemExit('imported')")
    (tmp_path / "more/experiment/x.yaml").write_text(
        "# @package _global_\nplugins: module_of_a_file\n"
    )
    status, _, error = call("train", "--config-dir", "more", "+experiment=x")
    assert status == 1
    assert "imported" not in error
