"""Every code block of the documentation works: Python, how-tos, commands."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from nfvae.experiments.commands.report import report
from nfvae.experiments.commands.status import status
from nfvae.experiments.commands.table import table

from ..warm import Command
from .pages import HOW_TO, PAGES, README, ROOT, blocks, commands

OWN_OPTIONS = {"table": table, "report": report, "status": status}
FEW = (
    *("trainer.max_steps=4", "trainer.val_every=4", "trainer.progress=false"),
    *("eval.elbo_draws=1", "eval.num_samples=0"),
)


def name(page):
    return page.stem


def is_python(block):
    return block.language == "python" and block.file is None


def small(code):
    """The same code with few updates and samples."""
    code = re.sub(r"num_steps=\d+", "num_steps=2", code)
    code = re.sub(r'"trainer.max_steps=\d+"', '"trainer.max_steps=2"', code)
    return re.sub(r"num_samples=\d{2,}", "num_samples=2", code)


@pytest.mark.parametrize("page", [p for p in PAGES if any(map(is_python, blocks(p)))], ids=name)
def test_python_blocks_run_in_order(page, request, workplace):
    if "planar_K16_seed0" in page.read_text() and page != README:
        request.getfixturevalue("planar_run")
    write_files(page)
    names = {"__name__": page.stem}
    for block in filter(is_python, blocks(page)):
        exec(compile(small(block.text), str(page), "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=name)
def test_how_tos_train_by_the_real_command(page, workplace):
    write_files(page)
    for block in filter(is_python, blocks(page)):
        if "np.save" in block.text:  # the example's own images
            exec(block.text, {})
    found = commands(page)
    assert found[0][0] == "train"
    for script, arguments in found:
        words = shlex.split(arguments)
        if script == "train":
            words += FEW
        ended = Command(ROOT / "scripts" / f"{script}.py", words)
        _, err = ended.communicate()
        assert ended.returncode == 0, err


def write_files(page):
    for block in blocks(page):
        if block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text)
            if block.language == "yaml":
                assert yaml.safe_load(block.text)["name"] == Path(block.file).stem


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        command
        for page in PAGES
        for command in commands(page)
        if command[0] in OWN_OPTIONS and "outputs/reference" not in command[1]
    ],
)
def test_tables_and_reports_are_made(script, arguments, write_run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_run("outputs/rezende2015/ours/planar_K10_seed0", config={})
    write_run("outputs/planar_K16_seed0", config={}, K=16)
    assert OWN_OPTIONS[script](shlex.split(arguments)) == 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_kind_that_is_tested(page):
    for block in blocks(page):
        assert block.language in {"", "python", "bash", "yaml"}
        if block.language == "yaml":
            assert block.file
        if block.language == "bash":
            known = ("python scripts/", "python -m pytest", "ruff check")
            known += ("python3 -m venv", "python3.11 -m venv", "torchrun --standalone ")
            assert all(line.startswith(known) for line in block.text.splitlines())
