"""Hydra, but with configs that are kept in memory, to save the time of most tests of commands.

Hydra takes 0.2 s to compose a config of 25 files. A sweep composes five configs, a single run
three. They differ in values, such as ``logs``, more often than in options.
"""

from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from mlp_lab.config.compose import CONFIG_FOLDER


def keep_configs(patch: pytest.MonkeyPatch) -> None:
    """Let Hydra read each file once, and merge each selection of files once.

    Hydra has no public function for this. Configs with files outside of ``conf/``, which a test may
    change, are read and merged each time.
    """
    read = ConfigRepository.load_config
    select = config_loader_impl.create_defaults_list
    merge = ConfigLoaderImpl._compose_config_from_defaults_list
    files: dict[Hashable, ConfigResult | None] = {}
    selections: dict[Hashable, DefaultsList] = {}
    configs: dict[Hashable, DictConfig] = {}

    def load_config(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        if not (key := _sources(self)):
            return read(self, config_path)
        if (key := (key, config_path)) not in files:
            files[key] = read(self, config_path)
        return deepcopy(files[key])

    def create_defaults_list(
        repo: IConfigRepository, config_name: str, overrides_list: Sequence[Override], **kind: Any
    ) -> DefaultsList:
        if not (key := _sources(repo)):
            return select(repo, config_name, overrides_list, **kind)
        values = Overrides(repo, overrides_list).config_overrides
        options = [override for override in overrides_list if override not in values]
        key = (key, config_name, *(override.input_line for override in options), *kind.values())
        if key not in selections:
            selections[key] = select(repo, config_name, options, **kind)
        return replace(selections[key], config_overrides=values)

    def compose(
        self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        if not (key := _sources(repo)):
            return merge(self, defaults, repo)
        if (key := (key, repr(defaults))) not in configs:
            configs[key] = merge(self, defaults, repo)
        return deepcopy(configs[key])

    patch.setattr(ConfigRepository, "load_config", load_config)
    patch.setattr(config_loader_impl, "create_defaults_list", create_defaults_list)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", compose)


def _sources(repo: IConfigRepository) -> Hashable:
    """Return what configs are composed from; nothing if it may change: files of a test."""
    if [s.path for s in repo.get_sources() if s.scheme() == "file"] != [str(CONFIG_FOLDER)]:
        return None
    # Installed launchers add their configs when the first sweep starts.
    return tuple(ConfigStore.instance().list("hydra/launcher"))
