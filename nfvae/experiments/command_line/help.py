"""The output of `--help`, for all commands or for one, made from the configuration files."""

import re
from dataclasses import dataclass

from nfvae.experiments.command_line.call import command
from nfvae.experiments.command_line.conf import CONF, choices, groups


@dataclass(frozen=True)
class Description:
    """A command in one line, and command lines that show its use."""

    summary: str
    examples: tuple[tuple[str, ...], ...]
    configured: bool = True
    """Whether Hydra configures it; otherwise it has its own options."""
    on_runs: bool = False
    """Whether it takes run folders, written as FOLDER or as run=FOLDER."""


RUN = "outputs/planar_K16_seed0"
COMMANDS = {
    "train": Description(
        "train a VAE, resume it, or train many with -m",
        (
            ("flow=planar", "K=16"),
            ("flow=none", "K=0", "seed=1", "trainer.max_steps=20000"),
            ("-m", "flow=planar,radial", "K=4,16", "seed=range(3)"),
            ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "K=0,4,16"),
            ("experiment=rezende2015_quick",),
        ),
    ),
    "evaluate": Description(
        "measure a trained run again: −ELBO and NLL on a split",
        ((RUN, "eval.num_samples=5000"), (RUN, "split=val")),
        on_runs=True,
    ),
    "table": Description(
        "print tables of runs as in the papers, or write them as Markdown, LaTeX and CSV",
        (("outputs/rezende2015", "--out", "outputs/tables"),),
        configured=False,
        on_runs=True,
    ),
    "report": Description(
        "make one HTML page about a run or a sweep",
        ((RUN,), ("outputs/rezende2015", "--out", "report.html")),
        configured=False,
        on_runs=True,
    ),
    "picture": Description(
        "draw reconstructions and samples of a run", ((RUN,), (RUN, "seed=1")), on_runs=True
    ),
    "posterior_2d": Description(
        "draw q(z|x) and p(z|x), for runs with two latents",
        (("outputs/RUN", "images=[0,1]"), ("run=[outputs/A,outputs/B]",)),
        on_runs=True,
    ),
    "fit_energy": Description(
        "fit a flow to a 2-D energy",
        (("energy=U1", "flow=planar", "K=32"), ("comparison=rezende_figure3",)),
    ),
    "benchmark": Description(
        "time flows, training steps, the NLL and start-up", ((), ("parts=[flow]", "repeats=5"))
    ),
}


def overview() -> str:
    """The commands, one line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {each.summary}" for name, each in COMMANDS.items()]
    return "\n".join(
        [
            "Variational autoencoders with normalizing-flow posteriors.",
            "",
            "usage: nfvae COMMAND [ARGUMENTS]",
            "",
            *lines,
            "",
            "nfvae COMMAND --help describes a command.",
        ]
    )


def command_help(name: str) -> str:
    """Purpose, examples, configuration groups and keys of a command that Hydra configures."""
    described = COMMANDS[name]
    summary = described.summary[0].upper() + described.summary[1:]
    usage = command(name, *(["[RUN]"] if described.on_runs else [])).replace("'", "")
    lines = [f"{summary}.", "", f"usage: {usage} [KEY=VALUE …]", "", "Examples:"]
    lines += [f"  {command(name, *words)}" for words in described.examples]
    listed = {group: choices(group) for group in groups(name)}
    if listed := {group: names for group, names in listed.items() if names}:
        width = max(map(len, listed))
        lines += ["", "Groups, chosen by GROUP=NAME:"]
        lines += [f"  {group:<{width}}  {', '.join(names)}" for group, names in listed.items()]
    lines += ["", "Keys, set by KEY=VALUE, with their defaults:", *_keys(name)]
    lines += [
        "",
        "  -m, --multirun     run all combinations of KEY=A,B values",
        "  --cfg job          print the whole configuration and stop",
        "  plugins=MODULE     import a module that registers flows, networks or data sets",
        "  --config-dir DIR   add a folder of configuration files",
        "  --hydra-help       Hydra's own options",
    ]
    return "\n".join(lines)


def _keys(name: str) -> list[str]:
    """The lines of the default configuration files, without Hydra's own settings."""
    lines = _own_lines((CONF / f"{name}.yaml").read_text("utf-8"))
    for group, choice in groups(name).items():
        if choice is not None:
            text = (CONF / group / f"{choice}.yaml").read_text("utf-8")
            lines += [f"{group}: # {choice}", *(f"  {line}" for line in _own_lines(text))]
    return [f"  {line}".rstrip() for line in lines]


def _own_lines(text: str) -> list[str]:
    """The lines of a file without its first comments, `defaults` and `hydra`."""
    text = re.sub(r"\A(#.*\n)+", "", text)
    blocks = re.split(r"\n(?=\S)", text)
    kept = [block for block in blocks if not re.match(r"(defaults|hydra):|# @|\s*$", block)]
    return [line for block in kept for line in block.split("\n") if line.strip()]
