"""`nfvae`, `python -m nfvae` and the scripts: help, forms of printed commands, start-up."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nfvae.experiments.command_line.help import COMMANDS, command_help
from nfvae.experiments.command_line.hydra_run import with_run_key
from nfvae.experiments.configuration.conf import CONF, choices, groups, is_configured
from nfvae.experiments.terminal.call import command, command_line, remember_call
from nfvae.experiments.terminal.overrides import run_argument

from ...warm import ROOT, environment
from ..processes import FAST

CONFIGURED = list(filter(is_configured, COMMANDS))


def test_every_command_has_a_script():
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} == COMMANDS.keys()


def test_the_overview_lists_the_commands(tmp_path):
    shown = subprocess.run(
        [sys.executable, "-m", "nfvae", "--help"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name, summary in COMMANDS.items():
        assert f"{name:<12}  {summary}" in shown


def test_an_unknown_command_is_one_line(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "nfvae", "trian"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: trian is not a command; known: train, evaluate")


@pytest.mark.parametrize("name", CONFIGURED)
def test_help_is_of_the_command(name, call):
    status, out, error = call(name, "--help")
    assert (status, error) == (0, "")
    assert out.startswith(f"{COMMANDS[name]}.\n")
    assert f"usage: python scripts/{name}.py" in out
    assert "powered by Hydra" not in out
    for group in groups(name):
        assert all(choice in out for choice in choices(group))
    content = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    for key in content.keys() - {"defaults", "hydra"}:
        assert f"\n  {key}:" in out, key
    assert "\n  hydra:" not in out


@pytest.mark.parametrize("name", ["table", "report"])
def test_help_of_commands_with_options(name, call):
    status, out, _ = call(name, "--help")
    assert status == 0
    assert "--out" in out


def test_help_shows_only_experiments_that_the_command_can_run():
    assert "rezende_figure3" not in command_help("train")
    assert "rezende_figure3" in command_help("fit_energy")
    assert "rezende2015" not in command_help("fit_energy")


@pytest.mark.parametrize("name", CONFIGURED)
def test_examples_compose(name, call):
    remember_call(name, f"scripts/{name}.py", [])
    examples = re.findall(rf"^  python scripts/{name}\.py ?(.*)$", command_help(name), re.MULTILINE)
    assert len(examples) >= 2
    for words in examples:
        rest = [word for word in shlex.split(words) if word != "-m"]
        rest = [w for w in rest if "=" not in w or not {",", "("} & set(w) or "[" in w]
        status, out, error = call(name, *rest, "--cfg", "job")
        assert status == 0, error
        assert out


@pytest.mark.parametrize("words", ["--help", "--cfg job", "-sc query=bash", "flow=planr"])
def test_torch_is_not_imported_before_it_is_needed(words, tmp_path):
    code = (
        "import sys; from nfvae.experiments.command_line.main import run\n"
        "try: run('train')\n"
        "finally: assert 'torch' not in sys.modules and 'pydantic' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *words.split(" ", 1)],
        cwd=tmp_path, env=environment(COMP_LINE="train.py flow="), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "AssertionError" not in ended.stderr


FORMS = [
    ("/usr/bin/nfvae", "nfvae evaluate a"),
    ("/x/nfvae/__main__.py", "python -m nfvae evaluate a"),
    ("scripts/train.py", "python scripts/evaluate.py a"),
    ("train.py", "python evaluate.py a"),
    ("/my {home}/scripts/train.py", "python '/my {home}/scripts/'evaluate.py a"),
]


@pytest.mark.parametrize(("program", "expected"), FORMS)
def test_printed_commands_have_the_form_that_the_user_used(program, expected):
    remember_call("train", program, ["run.dir=a b", "K=2"])
    assert command("evaluate", "a") == expected
    assert shlex.split(command_line())[-2:] == ["run.dir=a b", "K=2"]


NAMES = ["a", "a b", "a,b", "a(1)", "123", "1e3", "null", "true", "a'b", 'a"b', "a:b", "[a]", "{a}"]
NAMES += ["a=b", "~a", "-a", "${K}", "a\\b", "ä", "a#b", "$HOME", " a", "a ", "*", "a\\"]


@pytest.mark.parametrize("name", NAMES)
def test_any_folder_can_be_pasted(name, tmp_path, call):
    """The shell's quoting and Hydra's: what evaluate gets is the folder."""
    remember_call("train", "nfvae", [])
    words = shlex.split(command("evaluate", run_argument(Path(name))))[2:]
    status, out, error = call("evaluate", *words, "--cfg", "job", "--resolve")
    assert status == 0, error
    assert Path(yaml.safe_load(out)["run"]) == Path(name)


def test_a_folder_is_accepted_as_it_is_or_as_run():
    assert with_run_key("evaluate", ["out puts", "split=val", "-m"])[1:] == ["split=val", "-m"]
    assert with_run_key("evaluate", ["out"]) == ["run='out'"]
    assert with_run_key("evaluate", ["run=out"]) == ["run=out"]
    assert with_run_key("train", ["K"]) == ["K"]


def test_table_and_report_accept_run(write_run, call):
    write_run("a")
    assert call("table", "run=a")[0] == 0


def test_no_variable_of_a_parent_leaks():
    remember_call("train", "nfvae", ["K=1"])
    remember_call("report", "scripts/report.py", [])
    assert command_line() == "python scripts/report.py"
    assert os.environ["NFVAE_COMMAND_LINE"] == command_line()


def test_a_flow_of_several_flows_trains(call, tmp_path):
    flows = "flow.flows=[{name: planar, K: 2}, {name: iaf, K: 1, hidden_size: 8}]"
    rest = [word for word in FAST if "_every" not in word and "max_steps" not in word]
    words = ["flow=compose", flows, "run.dir=run", "trainer.max_steps=5", *rest]
    status, out, error = call("train", *words)
    assert status == 0, error
    assert "trained     5 steps" in out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["flow"], results["K"]) == ("compose", 3)
