"""The configurations of a sweep's jobs, composed once by the parent and passed to its children."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.terminal.tasks import plain_without_hydra


@dataclass(frozen=True)
class Composed:
    """One job of a sweep.

    Jobs share their constant sections and `base`, so a pickle of many jobs holds these once.

    Attributes:
        mapping: its configuration without Hydra's part, all interpolations resolved.
        overrides: its overrides.
        base: a pickled configuration with Hydra's part, except for what depends on the job.
        hydra: that, by dotted key.
    """

    mapping: Mapping[str, Any]
    overrides: tuple[str, ...]
    base: bytes = b""
    hydra: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> DictConfig:
        """The whole configuration, with the values of `mapping`."""
        config: DictConfig = pickle.loads(self.base)
        with open_dict(config), read_write(config):
            for key in config.keys() - self.mapping.keys() - {"hydra"}:
                del config[key]
            for key, value in self.mapping.items():
                config[key] = value
        _set_hydra(config, self.hydra)
        return config


class ComposedJobs(ConfigLoaderImpl):
    """Gives launchers, in any process, the configurations that the parent composed.

    Nothing is composed again, so later changes of files or of the time have no effect.

    Args:
        loader: composes all other configurations.
        jobs: the jobs.
    """

    def __init__(self, loader: ConfigLoader, jobs: Iterable[Composed]) -> None:
        super().__init__(loader.get_search_path())
        self._jobs = {job.overrides: job for job in jobs}

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        job = self._jobs.get(tuple(sweep_overrides))
        if job is None:
            return super().load_sweep_config(master_config, sweep_overrides)
        return job.config()


@dataclass(frozen=True)
class _Shared:
    """What jobs have in common that choose the same groups and then set the same keys.

    Attributes:
        base: the configuration before these keys are set, pickled.
        config: the configuration with the values of the last of these jobs.
        applied: the overrides that set these values.
        constant: sections without interpolations in which the jobs set nothing, resolved.
        names_hydra: whether an interpolation could depend on Hydra's part.
    """

    base: bytes
    config: DictConfig
    applied: set[str] = field(default_factory=set)
    constant: dict[str, Any] = field(default_factory=dict)
    names_hydra: bool = True


class Composer:
    """Composes the jobs of one sweep like `ConfigLoader.load_sweep_config`, but faster.

    Hydra reads files for each choice of groups, then sets the other values. Jobs with the same
    choices share the first, slow part. If they also set the same keys, each of which holds a single
    value or a list, they share the configuration: each job replaces all values of the one before.

    Args:
        loader: Hydra's loader.
        master: the configuration of the sweep itself.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        assert isinstance(loader, ConfigLoaderImpl)
        self._loader, self._master = loader, master
        name, common = master.hydra.job.config_name, [*master.hydra.overrides.hydra]
        _, files = loader._parse_overrides_and_create_caching_repo(name, common)
        self._is_group = cache(files.group_exists)
        self._bases: dict[tuple[str, ...], bytes] = {}
        self._shared: dict[tuple[tuple[str, ...], ...], _Shared] = {}

    def job(self, overrides: Sequence[str], number: int) -> Composed:
        """Compose one job and resolve its interpolations.

        Raises:
            HydraException: it cannot be composed.
            ConfigError: an interpolation cannot be resolved.
        """
        parsed = [_parse(each) for each in overrides]
        task = [str(each.input_line) for each in parsed if not each.is_hydra_override()]
        if len(task) < len(parsed):
            config = self._loader.load_sweep_config(self._master, list(overrides))
            shared = _Shared(pickle.dumps(config), config)
        else:
            shared = self._with_values(parsed)
        config = shared.config
        dirname = get_overrides_dirname(
            overrides=[each for each in parsed if not each.is_hydra_override()],
            **config.hydra.job.config.override_dirname,
        )
        of_job = {
            "hydra.overrides.task": task,
            "hydra.job.override_dirname": dirname,
            "hydra.job.num": number,
            "hydra.job.id": str(number),
        }
        if shared.names_hydra or any("hydra" in each for each in overrides):
            _set_hydra(config, of_job)
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().cfg = config  # type: ignore[assignment]  # for ${hydra:…}
        try:
            mapping = plain_without_hydra(config, shared.constant)
        finally:
            HydraConfig.instance().cfg = before
        return Composed(mapping, tuple(overrides), shared.base, of_job)

    def _with_values(self, overrides: Sequence[Override]) -> _Shared:
        choices, values = list[Override](), list[Override]()
        for each in overrides:
            is_choice = self._is_group(each.key_or_group) and not isinstance(each.value(), dict)
            (choices if is_choice else values).append(each)
        shared = self._with_choices([str(each.input_line) for each in choices], values)
        new = [each for each in values if each.input_line not in shared.applied]
        ConfigLoaderImpl._apply_overrides_to_config(new, shared.config)
        shared.applied.clear()
        shared.applied.update(str(each.input_line) for each in values)
        return shared

    def _with_choices(self, choices: list[str], values: Sequence[Override]) -> _Shared:
        keys = tuple(each.key_or_group for each in values)
        once = len(set(keys)) == len(keys)
        replaceable = once and all(_is_replaceable(each) for each in values)
        if replaceable and (tuple(choices), keys) in self._shared:
            return self._shared[tuple(choices), keys]
        if (base := self._bases.get(tuple(choices))) is None:
            base = pickle.dumps(self._loader.load_sweep_config(self._master, choices))
            self._bases[tuple(choices)] = base
        config: DictConfig = pickle.loads(base)  # five times as fast as a deep copy
        raw = OmegaConf.to_container(config, resolve=False)
        assert isinstance(raw, dict)
        del raw["hydra"]
        if not replaceable or not dict(flatten(raw)).keys() >= set(keys):
            return _Shared(base, config)
        varied = {key.partition(".")[0] for key in keys}
        constant = {str(k): v for k, v in raw.items() if k not in varied and _is_constant(v)}
        shared = _Shared(base, config, constant=constant, names_hydra="hydra" in repr(raw))
        self._shared[tuple(choices), keys] = shared
        return shared


@cache
def _parse(override: str) -> Override:
    return OverridesParser.create().parse_override(override)


def _is_constant(value: object) -> bool:
    text = repr(value)
    return "${" not in text and "???" not in text  # no interpolation, nothing missing


def _is_replaceable(override: Override) -> bool:
    """Whether nothing of the value is left after another one is set in its place."""
    adds = override.is_add() or override.is_force_add() or override.is_delete()
    return not adds and override.package is None and not isinstance(override.value(), dict)


def _set_hydra(config: DictConfig, values: Mapping[str, Any]) -> None:
    with open_dict(config), read_write(config):
        for key, value in values.items():
            OmegaConf.update(config, key, value, merge=False)
