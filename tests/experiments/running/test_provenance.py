"""The commit of a result is that of this package's own checkout, or none."""

import subprocess

import pytest

from nfvae.experiments.running.provenance import ROOT, _git_commit, provenance


@pytest.fixture
def checkout(tmp_path):
    """A repository that holds this package, as far as git sees it."""

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    def make(project="nfvae", package="nfvae"):
        folder = tmp_path / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder.parent / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
        git("init")
        git("add", ".")
        git("commit", "-m", "first")
        return folder.parent

    return make


def test_a_checkout_has_its_commit(checkout, monkeypatch):
    root = checkout()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert len(_git_commit(root)) == 40
    (root / "nfvae" / "__init__.py").write_text("changed")
    assert _git_commit(root).endswith("+")


@pytest.mark.parametrize(
    "made", [{"project": "thesis"}, {"package": ".venv/lib/site-packages/nfvae"}]
)
def test_a_repository_around_an_installed_package_is_not_its_own(checkout, made):
    assert _git_commit(checkout(**made)) is None


def test_an_ignored_copy_has_no_commit(checkout):
    root = checkout()
    subprocess.run(
        ["git", "rm", "-r", "--cached", "nfvae"], cwd=root, check=True, capture_output=True
    )
    assert _git_commit(root) is None


def test_this_checkout(monkeypatch):
    assert (ROOT / "nfvae" / "experiments" / "running" / "provenance.py").exists()
    assert set(provenance()) == {"versions", "git_commit"}
