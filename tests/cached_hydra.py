"""Hydra, but with configs that are kept in memory, to save the time of most tests of commands.

Hydra takes 0.2 s to compose a config of 25 files. A sweep composes five configs, a single run
three. They differ in values, such as ``logs``, more often than in options.
"""

import pickle
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, flag_override

from mlp_lab.config.compose import CONFIG_FOLDER


def keep_configs(patch: pytest.MonkeyPatch) -> None:
    """Let Hydra read each file once, and merge each selection of files once.

    Hydra has no public function for this.
    """
    read = ConfigRepository.load_config
    select = config_loader_impl.create_defaults_list
    merge = ConfigLoaderImpl._compose_config_from_defaults_list
    files: dict[Hashable, bytes] = {}
    selections: dict[Hashable, DefaultsList] = {}
    configs: dict[Hashable, bytes] = {}

    def load_config(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        if (key := (_sources(self), config_path)) not in files:
            files[key] = pickle.dumps(read(self, config_path))
        return pickle.loads(files[key])

    def create_defaults_list(
        repo: IConfigRepository, config_name: str, overrides_list: Sequence[Override], **kind: Any
    ) -> DefaultsList:
        values = Overrides(repo, overrides_list).config_overrides
        options = [override for override in overrides_list if override not in values]
        lines = [override.input_line for override in options]
        key = (_sources(repo), config_name, *lines, *kind.values())
        if key not in selections:
            selections[key] = select(repo, config_name, options, **kind)
        return replace(selections[key], config_overrides=values)

    def compose(
        self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        if (key := (_sources(repo), repr(defaults))) not in configs:
            hydras = sum((each.config_path or "").startswith("hydra/") for each in defaults)
            if 0 < hydras < len(defaults):  # Hydra's files come first; most selections share them
                config = compose(self, defaults[:hydras], repo)
                with flag_override(config, "no_deepcopy_set_nodes", True):
                    config.merge_with(merge(self, defaults[hydras:], repo))
            else:
                config = merge(self, defaults, repo)
            configs[key] = pickle.dumps(config)
        return pickle.loads(configs[key])

    patch.setattr(ConfigRepository, "load_config", load_config)
    # Needed only for interpolations in lists of defaults, which conf/ does not have.
    patch.setattr(defaults_list, "_create_interpolation_map", lambda *_: None)
    patch.setattr(config_loader_impl, "create_defaults_list", create_defaults_list)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", compose)


def _sources(repo: IConfigRepository) -> Hashable:
    """Return what configs are composed from, with the times at which files of tests changed."""
    folders = [source.path for source in repo.get_sources() if source.scheme() == "file"]
    written = [
        (path, path.stat().st_mtime_ns)
        for folder in folders
        if folder != str(CONFIG_FOLDER)
        for path in sorted(Path(folder).rglob("*.yaml"))
    ]
    # Installed launchers add their configs when the first sweep starts.
    return (*folders, *written, *ConfigStore.instance().list("hydra/launcher"))
