"""Check Hydra's own settings: unsupported ones are refused before Hydra uses them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nfvae.experiments.errors import ConfigError, one_line
from nfvae.experiments.terminal.torchrun import refuse_torchrun

SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher."
LAUNCHERS = {
    "processes": "hydra_plugins.nfvae.ProcessLauncher",
    "array": "hydra_plugins.nfvae.ArrayLauncher",
    "basic": "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "joblib": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "submitit_local": f"{SUBMITIT}LocalLauncher",
    "submitit_slurm": f"{SUBMITIT}SlurmLauncher",
}
SWEEPERS = {
    "grid": "hydra_plugins.nfvae.GridSweeper",
    "basic": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "optuna": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
}
SAMPLERS = "optuna.samplers."  # the only kind of object that a sweeper's settings may name
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET")
# The launchers' numbers, and what null means.
COUNTS = {
    "num_workers": ", or null: one run per core, or per GPU",
    "runs_per_gpu": "",
    "runs_per_task": "",
}
RESERVED = ("NFVAE_", "PYTHON", "LD_", "DYLD_")


@contextmanager
def settings_checked(command: str) -> Iterator[None]:
    """Check every configuration that Hydra composes in this block, before Hydra uses it."""
    loader = cast(Any, ConfigLoaderImpl)
    compose = loader.load_configuration

    def checked(self: ConfigLoaderImpl, *arguments: Any, **options: Any) -> DictConfig:
        config: DictConfig = compose(self, *arguments, **options)
        check_settings(config.hydra, command)
        return config

    loader.load_configuration = checked
    try:
        yield
    finally:
        loader.load_configuration = compose


def check_settings(settings: DictConfig, command: str) -> None:
    """Refuse other launchers and sweepers, callbacks, logging, and Hydra's folders."""
    raw = cast(dict[str, Any], OmegaConf.to_container(settings, resolve=False))
    if raw["callbacks"]:
        raise ConfigError(
            f"hydra.callbacks={one_line(', '.join(map(str, raw['callbacks'])))}: callbacks could "
            "run any code and are not supported; leave them out"
        )
    for key in ("job_logging", "hydra_logging"):
        if not _is_quiet(raw[key]):
            raise ConfigError(
                f"hydra.{key}: handlers, formatters and filters could run any code and are not "
                f"supported; keep hydra/{key}=none"
            )
    for name in (*raw["job"]["env_set"], *raw["job"]["env_copy"]):
        if str(name).startswith(RESERVED):
            raise ConfigError(
                f"hydra.job sets {one_line(name)}, which could make a process load any code; "
                "set it in the shell instead"
            )
    _check_plugin("launcher", raw["launcher"], LAUNCHERS)
    _check_plugin("sweeper", raw["sweeper"], SWEEPERS)
    resolved = OmegaConf.to_container(settings.launcher, resolve=True)
    _check_launcher(cast(dict[str, Any], resolved), command)
    for section, key in (("run", "dir"), ("sweep", "dir"), ("sweep", "subdir")):
        if raw[section][key] != ".":
            raise ConfigError(
                f"hydra.{section}.{key}={one_line(raw[section][key])}: nfvae's files are not in "
                "Hydra's folders; use run.dir to choose a run's folder"
            )
    if raw["mode"] == RunMode.MULTIRUN:
        refuse_torchrun("-m asks for many", "start each run by its own torchrun command")
    if raw["mode"] == RunMode.RUN:
        for override in raw["overrides"]["hydra"] + raw["overrides"]["task"]:
            name = override.lstrip("+~")
            if name.startswith(("hydra/launcher", "hydra/sweeper", "hydra.launcher", "cluster=")):
                raise ConfigError(f"{one_line(override)} applies to sweeps only; add -m")


def _is_quiet(logging: dict[str, Any]) -> bool:
    """Whether it sets at most the level of the root logger, as `none` and `disabled` do."""
    root = logging.get("root")
    return logging.keys() <= {"version", "root", "disable_existing_loggers"} and (
        root is None or (root.keys() == {"level"} and root["level"] in LEVELS)
    )


def _check_plugin(kind: str, config: dict[str, Any], allowed: dict[str, str]) -> None:
    target = str(config.get("_target_"))
    others = [each for each in _built(config) if each != target and not each.startswith(SAMPLERS)]
    if target not in allowed.values() or others:
        raise ConfigError(
            f"hydra/{kind} with _target_={one_line((others or [target])[0])} is not supported; "
            f"allowed: {', '.join(allowed)}"
        )


def _check_launcher(launcher: dict[str, Any], command: str) -> None:
    name = next(name for name, target in LAUNCHERS.items() if target == launcher["_target_"])
    if name in ("processes", "array") and command != "train":
        raise ConfigError(
            f"hydra/launcher={name} supports train only; use hydra/launcher=basic or joblib"
        )
    for key in COUNTS.keys() & launcher.keys():
        value, null = launcher[key], COUNTS[key]
        if not (value is None and null) and (type(value) is not int or not 1 <= value <= 1024):
            raise ConfigError(
                f"hydra.launcher.{key}={one_line(value)} should be a number from 1 to 1024{null}"
            )
    if name == "array" and not (isinstance(launcher["dir"], str) and launcher["dir"]):
        raise ConfigError(f"hydra.launcher.dir={one_line(launcher['dir'])} should name a folder")
    sbatch = launcher.get("additional_parameters") or {}
    texts = [*launcher.values(), *sbatch.keys(), *sbatch.values()]
    if launcher.get("setup") or any(isinstance(text, str) and "\n" in text for text in texts):
        raise ConfigError(
            "hydra.launcher.setup and line breaks could run any code in a job and are not "
            "supported; set up the environment in the shell that submits it"
        )


def _built(node: Any) -> list[str]:
    """The `_target_` of every object in these settings."""
    if isinstance(node, list):
        return [each for entry in node for each in _built(entry)]
    if not isinstance(node, dict):
        return []
    own = [str(node["_target_"])] if "_target_" in node else []
    return own + _built(list(node.values()))
