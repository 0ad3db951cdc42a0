"""The configurations of a sweep's jobs, composed once by the parent and passed to its children."""

import copy
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from nfvae.experiments.terminal.tasks import plain_without_hydra


@dataclass(frozen=True)
class Composed:
    """One job of a sweep.

    Jobs share equal sections and `base`, so a pickle of many jobs holds these once.

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


class _Base(NamedTuple):
    """What jobs have in common that choose the same groups."""

    config: DictConfig
    """The configuration; of Hydra's part, each job replaces what depends on the job."""
    pickled: bytes
    own: bytes
    """The configuration without Hydra's part, pickled; reading it is faster than a deep copy."""
    names_hydra: bool
    """Whether an interpolation could need Hydra's part."""


class Composer:
    """Composes the jobs of one sweep like `ConfigLoader.load_sweep_config`, but faster.

    Hydra reads files for each choice of groups, then sets the other values. Jobs with the same
    choices share the first, slow part.

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
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._sections: dict[str, Any] = {}

    def job(self, overrides: Sequence[str], number: int) -> Composed:
        """Compose one job and resolve its interpolations.

        Raises:
            HydraException: it cannot be composed.
            ConfigError: an interpolation cannot be resolved.
        """
        parsed = [_parse(each) for each in overrides]
        own = [each for each in parsed if not each.is_hydra_override()]
        values = [] if len(own) < len(parsed) else [e for e in own if not self._is_choice(e)]
        base = self._base(tuple(str(each.input_line) for each in parsed if each not in values))
        of_job = {
            "hydra.overrides.task": [each.input_line for each in own],
            "hydra.job.override_dirname": get_overrides_dirname(
                own, **base.config.hydra.job.config.override_dirname
            ),
            "hydra.job.num": number,
            "hydra.job.id": str(number),
        }
        _set_hydra(base.config, of_job)
        if base.names_hydra or any("${hydra." in each for each in overrides):
            config = copy.deepcopy(base.config)
        else:
            config = pickle.loads(base.own)
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().cfg = base.config  # type: ignore[assignment]  # for ${hydra:…}
        try:
            mapping = plain_without_hydra(config)
        finally:
            HydraConfig.instance().cfg = before
        shared = {key: self._sections.setdefault(repr(v), v) for key, v in mapping.items()}
        return Composed(shared, tuple(overrides), base.pickled, of_job)

    def _is_choice(self, override: Override) -> bool:
        """Whether an override chooses a file of a group."""
        return self._is_group(override.key_or_group) and not isinstance(override.value(), dict)

    def _base(self, choices: tuple[str, ...]) -> _Base:
        if choices not in self._bases:
            config = self._loader.load_sweep_config(self._master, list(choices))
            plain = OmegaConf.to_container(config, resolve=False)
            assert isinstance(plain, dict)
            del plain["hydra"]
            own = OmegaConf.create(plain, flags={"struct": True})
            self._bases[choices] = _Base(
                config, pickle.dumps(config), pickle.dumps(own), "${hydra." in repr(plain)
            )
        return self._bases[choices]


@cache
def _parse(override: str) -> Override:
    return OverridesParser.create().parse_override(override)


def _set_hydra(config: DictConfig, values: Mapping[str, Any]) -> None:
    with open_dict(config), read_write(config):
        for key, value in values.items():
            OmegaConf.update(config, key, value, merge=False)
