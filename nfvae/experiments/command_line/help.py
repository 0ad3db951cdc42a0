"""The output of `--help`, for all commands or for one, made from the configuration files."""

import re

from nfvae.experiments.configuration.conf import CONF, choices, groups, takes_runs
from nfvae.experiments.terminal.call import command

COMMANDS = {
    "train": "Train a VAE, resume it, or train many with -m",
    "evaluate": "Measure a trained run again: −ELBO and NLL on a split",
    "table": "Print tables of runs as in the papers, or write them as Markdown, LaTeX and CSV",
    "report": "Make one HTML page about a run or a sweep",
    "status": "Print the state of runs: waiting, running, saved, failed or complete",
    "picture": "Draw reconstructions and samples of a run",
    "posterior_2d": "Draw q(z|x) and p(z|x), for runs with two latents",
    "fit_energy": "Fit a flow to a 2-D energy",
    "benchmark": "Time flows, training steps, the NLL and start-up",
}


def overview() -> str:
    """The commands, one line each."""
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "Variational autoencoders with normalizing-flow posteriors.\n\n"
        f"usage: nfvae COMMAND [ARGUMENTS]\n\n{listed}\n\n"
        "nfvae COMMAND --help describes a command."
    )


def command_help(name: str) -> str:
    """Purpose, examples, configuration groups and keys of a command that Hydra configures."""
    text = (CONF / f"{name}.yaml").read_text("utf-8")
    runs = " [RUN]" if takes_runs(name) else ""
    lines = [f"{COMMANDS[name]}.", "", f"usage: {command(name)}{runs} [KEY=VALUE …]"]
    examples = re.findall(rf"^# python scripts/{name}\.py(.*)$", text, re.MULTILINE)
    lines += ["", "Examples:", *(f"  {command(name)}{words}" for words in examples)]
    listed = {group: ", ".join(names) for group in groups(name) if (names := choices(group))}
    if listed:
        width = max(map(len, listed))
        lines += ["", "Groups, chosen by GROUP=NAME:"]
        lines += [f"  {group:<{width}}  {names}" for group, names in listed.items()]
    lines += ["", "Keys, set by KEY=VALUE, with their defaults:"]
    lines += [f"  {line}" for line in _own_lines(text)]
    for group, choice in groups(name).items():
        if choice is not None:
            text = (CONF / group / f"{choice}.yaml").read_text("utf-8")
            lines += [f"  {group}: # {choice}", *(f"    {line}" for line in _own_lines(text))]
    lines += [
        "",
        "  -m, --multirun     run all combinations of KEY=A,B values",
        "  --cfg job          print the whole configuration and stop",
        "  plugins=MODULE     import a module that registers flows, networks or data sets",
        "  --config-dir DIR   add a folder of configuration files",
        "  --hydra-help       Hydra's own options",
    ]
    return "\n".join(lines)


def _own_lines(text: str) -> list[str]:
    """The lines of a file without its first comments, `defaults` and `hydra`."""
    text = re.sub(r"\A(#.*\n)+", "", text)
    blocks = re.split(r"\n(?=\S)", text)
    kept = [block for block in blocks if not re.match(r"(defaults|hydra):|# @|\s*$", block)]
    return [line for block in kept for line in block.split("\n") if line.strip()]
