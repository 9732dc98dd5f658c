"""The configs of runs that are resumed or repeated. This module does not import torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlp_lab.config.check import known_keys, unknown_key
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.flatten import is_within
from mlp_lab.config.schemas.data import DATA_PATHS
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.data_paths import with_absolute_paths, with_moved_data, with_values
from mlp_lab.storage.run_folder import RunFolder

#: Keys that may change, and groups whose keys may change: a checkpoint does not depend on them.
RESUMABLE = (
    "trainer.max_epochs",
    "trainer.max_steps",
    "schedule",
    "threads",
    "figures.format",
    "task.teacher",
    *DATA_PATHS,
)
_CONFIG = "config.yaml"


def changed_config(cfg: DictConfig, changes: Mapping[str, Any]) -> DictConfig:
    """Return the config of a run with ``changes``, by dotted key.

    A value that the config has already is not a change. Raises UserError for a key that is not in
    ``RESUMABLE``, for a value that is not allowed, or if there are no data at their path.
    """
    for key, value in changes.items():
        if not (is_within(key, RESUMABLE) or _has_value(cfg, key, value)):
            allowed = ", ".join(RESUMABLE).replace("schedule", "schedule.*")
            raise UserError(f"{key}: can't be changed when a run is resumed (these can: {allowed})")
    return _with_changes(cfg, changes)


def repeated_config(path: Path, changes: Mapping[str, Any]) -> DictConfig:
    """Return the config in a ``config.yaml`` of a run with ``changes``, by dotted key.

    Raises UserError if the file cannot be read, for a key or a value that is not allowed, or if
    there are no data at their path.
    """
    if path.name != _CONFIG or not path.is_file():
        hint = f"; did you mean {path / _CONFIG}?" if (path / _CONFIG).is_file() else ""
        raise UserError(f"config={path}: must be the {_CONFIG} of a run{hint}")
    cfg = RunFolder(path.parent).config
    for key in changes:
        if _is_group(key):
            raise UserError(f"{key}: can't be changed when a run is repeated; its keys can")
        _check_known(key)
    return _with_changes(cfg, changes)


def _with_changes(cfg: DictConfig, changes: Mapping[str, Any]) -> DictConfig:
    paths = {key: value for key, value in changes.items() if key in DATA_PATHS}
    others = {key: value for key, value in changes.items() if key not in DATA_PATHS}
    return with_moved_data(with_absolute_paths(with_values(cfg, others)), paths)


def _has_value(cfg: DictConfig, key: str, value: Any) -> bool:
    """Return whether a config has a value already. Raises UserError if it has no such key."""
    if _is_group(key):
        return False
    _check_known(key)
    return with_values(cfg, {key: value}) == cfg


def _is_group(key: str) -> bool:
    return (CONFIG_FOLDER / key).is_dir()


def _check_known(key: str) -> None:
    """Raise UserError if no config has a key."""
    if key not in (known := known_keys(Train)):
        raise UserError(unknown_key(key, known))
