"""Commands, in this process and in others."""

import sys

import pytest

from nfvae.experiments.command_line.main import run

from .processes import nfvae_fixture  # noqa: F401


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run a command as scripts/NAME.py does; exit status, output and errors."""

    def run_command(name, *words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"scripts/{name}.py", *words])
        with pytest.raises(SystemExit) as end:
            run(name)
        return end.value.code, *capsys.readouterr()

    return run_command
