"""How this process was called, so that messages can show commands to copy."""

import os
import shlex
import sys
from pathlib import Path

from nfvae.experiments.terminal.torchrun import place

# Processes that a sweep starts inherit both.
_FORM, _LINE = "NFVAE_CALLED_AS", "NFVAE_COMMAND_LINE"


def remember_call(name: str, program: str, words: list[str]) -> None:
    """Remember how the user called a command.

    Args:
        name: the command: train, evaluate, ….
        program: sys.argv[0].
        words: the arguments that followed the command's name.
    """
    os.environ[_FORM] = _form(program)
    line = command(name, *words)
    if (found := place()) is not None and line.startswith("python "):
        line = f"torchrun --nproc-per-node={found.local_size} {line.removeprefix('python ')}"
    os.environ[_LINE] = line


def command(name: str, *words: object) -> str:
    """A command of this project in the form that the user used, quoted for a shell."""
    form = os.environ.get(_FORM, "nfvae {}")
    return " ".join([form.format(name), *(shlex.quote(str(word)) for word in words)])


def program(name: str) -> list[str]:
    """The words that start a command from any folder, without an activated environment."""
    path = Path(sys.argv[0]).absolute()
    if path.name == "__main__.py":
        return [sys.executable, "-m", "nfvae", name]
    return [sys.executable, str(path.with_stem(name))] if path.suffix else [str(path), name]


def command_line() -> str:
    """The command that started this process or its sweep."""
    return os.environ.get(_LINE) or shlex.join(["python", *sys.argv])


def _form(program: str) -> str:
    path = Path(program)
    if path.name == "__main__.py":
        return "python -m nfvae {}"
    if path.suffix == ".py":
        folder = str(path.parent).replace("{", "{{").replace("}", "}}")
        return f"python {shlex.quote(folder + '/')}{{}}.py" if folder != "." else "python {}.py"
    return "nfvae {}"
