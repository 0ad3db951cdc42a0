"""The configurations of a sweep's jobs, composed once by the parent and passed to its children."""

import pickle
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from nfvae.experiments.terminal.tasks import plain_without_hydra


@dataclass(frozen=True)
class Composed:
    """One job of a sweep: its overrides, and its configuration as a plain mapping."""

    mapping: Mapping[str, Any]
    overrides: tuple[str, ...]
    number: int = 0


class ComposedJobs(ConfigLoaderImpl):
    """Gives launchers, in any process, the configurations that the parent composed.

    Nothing is composed again, so later changes of files or of the time have no effect.

    Args:
        loader: composes all other configurations.
        packed: the jobs' configurations, pickled, by their overrides.
    """

    def __init__(self, loader: ConfigLoader, packed: Mapping[tuple[str, ...], bytes]) -> None:
        super().__init__(loader.get_search_path())
        self._packed = packed

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        packed = self._packed.get(tuple(sweep_overrides))
        if packed is None:
            return super().load_sweep_config(master_config, sweep_overrides)
        return unpack(packed)


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
        self._name = master.hydra.job.config_name
        self._common = [*master.hydra.overrides.hydra]
        _, self._files = loader._parse_overrides_and_create_caching_repo(self._name, self._common)
        self._chosen: dict[tuple[str, ...], bytes] = {}

    def job(self, overrides: Sequence[str], number: int) -> Composed:
        """Compose one job and resolve its interpolations.

        Raises:
            HydraException: it cannot be composed.
            ConfigError: an interpolation cannot be resolved.
        """
        config = self._numbered(overrides, number)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().cfg = config  # type: ignore[assignment]  # for ${hydra:…}
        try:
            return Composed(plain_without_hydra(config), tuple(overrides), number)
        finally:
            HydraConfig.instance().cfg = before

    def pack(self, job: Composed) -> bytes:
        """A job's configuration with Hydra's part and the values of `job`, pickled."""
        config = self._numbered(job.overrides, job.number)
        with open_dict(config), read_write(config):
            for key, value in job.mapping.items():
                config[key] = value
        return zlib.compress(pickle.dumps(config))

    def _numbered(self, overrides: Sequence[str], number: int) -> DictConfig:
        config = self.compose(overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.num = number
            config.hydra.job.id = str(number)
        return config

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The same configuration as `load_sweep_config`."""
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        if any(each.is_hydra_override() for each in parsed):
            return self._loader.load_sweep_config(self._master, list(overrides))
        choices, values = list[Override](), list[Override]()
        for each in parsed:
            is_choice = self._files.group_exists(each.key_or_group)
            is_choice = is_choice and not isinstance(each.value(), dict)
            (choices if is_choice else values).append(each)
        config = self._with_choices(tuple(str(each.input_line) for each in choices))
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        job = config.hydra.job
        config.hydra.overrides.task = [each.input_line for each in parsed]
        job.override_dirname = get_overrides_dirname(
            overrides=parsed, **job.config.override_dirname
        )
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        return config

    def _with_choices(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._chosen:
            config = self._loader.load_sweep_config(self._master, list(choices))
            self._chosen[choices] = pickle.dumps(config)
        config = pickle.loads(self._chosen[choices])  # five times as fast as a deep copy
        assert isinstance(config, DictConfig)
        return config


def unpack(packed: bytes) -> DictConfig:
    """The configuration of a `Composed`; only for data from this process's parent."""
    config = pickle.loads(zlib.decompress(packed))
    assert isinstance(config, DictConfig)
    return config
