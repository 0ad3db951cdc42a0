"""The package's names, and a family that is added as a file."""

import doctest
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import nfvae
import nfvae.flows
from nfvae.flows import FLOWS, Compose, Flow

FAMILY = """
from nfvae.flows.identity import Identity
from nfvae.flows.registry import register

@register("mine")
class Mine(Identity):
    pass
"""


def test_every_family_can_be_imported_by_its_class():
    assert {FLOWS[name].__name__ for name in FLOWS} <= set(nfvae.flows.__all__)
    for name in nfvae.flows.__all__:
        assert hasattr(nfvae.flows, name)


def run(program, folder):
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_in_the_package_is_registered(tmp_path):
    shutil.copytree(Path(nfvae.__file__).parent, tmp_path / "nfvae")
    (tmp_path / "nfvae" / "flows" / "mine.py").write_text(FAMILY)
    assert run("from nfvae.flows import FLOWS; print('mine' in FLOWS)", tmp_path) == "True"


@pytest.mark.parametrize("family", [*FLOWS.values(), Compose, Flow])
def test_docstrings_have_an_example_that_runs(family):
    examples = doctest.DocTestFinder(recurse=False).find(family, globs={})
    assert examples[0].examples
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example)
    assert not runner.failures


def test_every_module_has_one_sentence_about_itself():
    for module in iter_modules(nfvae.flows.__path__):
        text = import_module(f"nfvae.flows.{module.name}").__doc__
        assert text
        assert text.splitlines()[0].endswith(".")
