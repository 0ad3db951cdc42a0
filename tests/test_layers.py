"""The library half does not need the experiments half or its packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nfvae

PACKAGE = Path(nfvae.__file__).parent
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if "experiments" not in path.relative_to(PACKAGE).parts
)
FRONT_DOORS = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # to both halves
LIBRARY = [path for path in FILES if path not in FRONT_DOORS]
OPTIONAL = {  # imported by a function that needs it
    "nfvae.data.download": {"torchvision.datasets"},
    "nfvae.data.omniglot": {"PIL.Image"},
}
BLOCKED = (
    *("hydra", "omegaconf", "pydantic", "yaml", "matplotlib", "tensorboard", "jinja2"),
    *("torchvision", "tqdm", "markupsafe", "PIL", "nfvae.experiments"),
)
# Words of configurations and command lines.
FOREIGN_WORDS = ("trainer.", "data.root", "run.dir", "scripts/", ".yaml", "hydra", "omegaconf")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imports_of(path: Path) -> set[str]:
    """Absolute names of all imports, also those within functions or for type checking."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=module_name)
def test_no_import_of_the_experiments_half(path):
    wrong = {
        name
        for name in imports_of(path)
        if any(f"{name}.".startswith(f"{blocked}.") for blocked in BLOCKED)
    }
    assert not wrong - OPTIONAL.get(module_name(path), set())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_word_of_configurations_or_scripts(path):
    text = path.read_text().lower()
    assert [word for word in FOREIGN_WORDS if word in text] == []


BLOCKER = f"""
import sys
from importlib.machinery import PathFinder

class WithoutThem:  # as if they were not installed
    finders = list(sys.meta_path)
    find_distributions = staticmethod(PathFinder.find_distributions)

    def find_spec(self, name, path=None, target=None):
        if any(f"{{name}}.".startswith(f"{{blocked}}.") for blocked in {BLOCKED}):
            return None
        specs = (finder.find_spec(name, path, target) for finder in self.finders)
        return next(filter(None, specs), None)

sys.meta_path[:] = [WithoutThem()]
"""


def test_every_module_works_without_the_packages_of_experiments():
    """All are imported, then a model is trained and measured."""
    code = f"""{BLOCKER}
from importlib import import_module
for name in {[module_name(path) for path in LIBRARY]}:
    import_module(name)

import torch, nfvae
from nfvae.data import Split
split = Split(torch.randint(2, (40, 1, 4, 4)).mul(255).byte(), None, dynamic=False)
data = nfvae.Dataset("noise", split, split, split, "fixed", "")
encoder, decoder = nfvae.networks.mlp(data.image_shape, latent_dim=2, hidden=[5])
vae = nfvae.VAE(encoder, nfvae.Planar(2, 2), decoder, nfvae.Bernoulli())
vae.initialize_output(data.train.mean())
callbacks = [nfvae.Validation(every=2), nfvae.PrintProgress(every=2)]
nfvae.fit(vae, data, num_steps=4, batch_size=10, callbacks=callbacks)
assert nfvae.nll(vae, next(data.test.batches(10)), 5).shape == (10,)
posterior = nfvae.energies.UnconditionalPosterior(nfvae.Planar(2, 2))
nfvae.fit_energy(posterior, nfvae.ENERGIES["U1"], 2)
wrong = [name for name in sys.modules if any(f"{{name}}.".startswith(f"{{b}}.") for b in {BLOCKED})]
assert not wrong, wrong
print("done")
"""
    assert in_a_fresh_process(code).splitlines()[-1] == "done"


@pytest.mark.slow
def test_the_blocker_blocks():
    code = f"""{BLOCKER}
import nfvae
try:
    nfvae.compose
except ModuleNotFoundError as error:
    print(error)
"""
    assert "No module named 'nfvae.experiments'" in in_a_fresh_process(code)


@pytest.mark.slow
def test_each_file_is_imported_with_its_package():
    """A family, network, likelihood or data set is registered by being there."""
    code = """
import sys, nfvae.flows, nfvae.networks, nfvae.likelihoods, nfvae.data
print(*sorted(sys.modules))
"""
    loaded = set(in_a_fresh_process(code).split())
    for package in ("flows", "networks", "likelihoods", "data"):
        assert {module_name(path) for path in (PACKAGE / package).glob("*.py")} <= loaded
