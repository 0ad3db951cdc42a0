"""The names of the package: light to import, each resolves, each has an example that runs."""

import ast
import doctest
import inspect
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

import nfvae
from nfvae.experiments.errors import ConfigError

PACKAGE = Path(nfvae.__file__).parent


def names_for_type_checkers() -> dict[str, str]:
    """Name -> module, as the `if TYPE_CHECKING` block imports them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def modules_with_examples() -> list[str]:
    """Of the library half, and of what `nfvae` names in the other."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        public = name in ("nfvae.experiments.api", "nfvae.experiments.running.loading")
        if ">>>" in path.read_text() and (public or not name.startswith("nfvae.experiments")):
            found.append(name)
    return found


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_else():
    code = """
import sys
before = set(sys.modules)
import nfvae
heavy = {"torch", "numpy", "hydra", "pydantic", "matplotlib"}
print(sorted(heavy & {name.split(".")[0] for name in set(sys.modules) - before}))
"""
    assert in_a_fresh_process(code).strip() == "[]"


@pytest.mark.parametrize("name", nfvae.__all__)
def test_each_name_resolves(name):
    assert getattr(nfvae, name) is not None
    assert name in dir(nfvae)


def test_type_checkers_see_the_same_names():
    names = names_for_type_checkers()
    assert set(names) == set(nfvae.__all__)
    assert len(nfvae.__all__) == len(set(nfvae.__all__))
    for name, module in names.items():
        source = import_module(module)
        if module == "nfvae":
            assert getattr(nfvae, name) is import_module(f"nfvae.{name}")
        else:
            assert getattr(nfvae, name) is getattr(source, name)


@pytest.mark.parametrize("name", nfvae.__all__)
def test_each_class_and_function_has_an_example(name):
    part = getattr(nfvae, name)
    if inspect.isclass(part) or inspect.isfunction(part):
        assert ">>>" in (inspect.getdoc(part) or ""), f"nfvae.{name} has no example"
        assert part.__doc__, f"nfvae.{name} inherits its docstring"


@pytest.mark.slow
def test_compose_is_the_function():
    """Not the module of flows/ with the same name, in any order of imports."""
    code = "import nfvae; nfvae.Compose; print(nfvae.compose.__module__, nfvae.Compose.__module__)"
    assert in_a_fresh_process(code).split() == ["nfvae.experiments.api", "nfvae.flows.compose"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("flow=planr", "^flow=planr is unknown; known: compose, "),
        ("trainer.max_stps=1", "did you mean trainer.max_steps"),
        ("flow.constraint=papr", "^flow.constraint=papr should be"),
    ],
)
def test_a_misspelled_override_is_one_line(override, message):
    with pytest.raises(ConfigError, match=message) as caught:
        nfvae.compose(override)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'nfvae' has no attribute 'planar'$"):
        _ = nfvae.planar


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    flags = doctest.ELLIPSIS
    results = doctest.testmod(import_module(name), optionflags=flags)
    assert results.attempted > 0
    assert results.failed == 0
