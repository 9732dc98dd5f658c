"""The paths of a run's data: absolute, replaceable, and with a digest of the content.

This module does not import torch.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.check import check
from mlp_lab.config.names import BACKGAMMON_OPPONENTS, VOLUMES
from mlp_lab.config.schemas.data import DATA_PATHS
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.images.photographs import is_file
from mlp_lab.storage.run_folder import RunFolder

if TYPE_CHECKING:  # imports torch
    from mlp_lab.data.datamodule import DataModule


def data_paths(cfg: Mapping[Any, Any]) -> dict[str, str]:
    """Return the absolute paths of files and folders in a config by dotted key.

    A value that is null or that names an image or a volume is not a path.
    """
    values = {key: cfg["data"].get(key.removeprefix("data.")) for key in DATA_PATHS}
    return {
        key: os.path.abspath(os.path.expanduser(value))
        for key, value in values.items()
        if value is not None and not _is_name(key, value)
    }


def _is_name(key: str, value: str) -> bool:
    """Return whether the value of a key of ``DATA_PATHS`` is a name instead of a path."""
    return (key == "data.image" and not is_file(value)) or (
        key == "data.volume" and value in VOLUMES
    )


def with_absolute_paths(cfg: DictConfig) -> DictConfig:
    """Return a checked config with absolute paths: its run does not depend on a folder."""
    values: dict[str, Any] = data_paths(cfg) | _opponents(cfg)
    if isinstance(teacher := cfg.task.get("teacher"), str):
        values["task.teacher"] = os.path.abspath(os.path.expanduser(teacher))
    changes = {key: value for key, value in values.items() if OmegaConf.select(cfg, key) != value}
    return with_values(cfg, changes) if changes else cfg


def _opponents(cfg: DictConfig) -> dict[str, Any]:
    """Return the opponents in games by dotted key, paths of runs as absolute paths."""
    if "opponent" not in cfg.data:
        return {}

    def absolute(name: str) -> str:
        path = os.path.abspath(os.path.expanduser(name))
        is_path = name not in BACKGAMMON_OPPONENTS and Path(path).exists()
        return path if is_path else name

    opponents = [absolute(name) for name in cfg.data.test_opponents]
    return {"data.opponent": absolute(cfg.data.opponent), "data.test_opponents": opponents}


def with_values(cfg: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Return a checked copy of a config of a run with other values, by dotted key.

    Raises:
        UserError: the config has no such key, or a value is not allowed.
    """
    changed = OmegaConf.create(OmegaConf.to_container(cfg))
    assert isinstance(changed, DictConfig)
    for key, value in values.items():
        OmegaConf.update(changed, key, value)
    return check(changed, Train)


def moved_paths(cfg: DictConfig) -> dict[str, str]:
    """Return the new paths of data in a config of ``evaluate`` or ``predict``, by dotted key."""
    return {f"data.{key}": path for key, path in cfg.data.items() if path is not None}


def with_moved_data(cfg: DictConfig, changes: Mapping[str, Any]) -> DictConfig:
    """Return the config of a run with new values of keys of its data, such as paths.

    Raises:
        UserError: the data have no such key, or there is no such file.
    """
    moved = with_absolute_paths(with_values(cfg, changes)) if changes else cfg
    for key, path in data_paths(moved).items():
        if not Path(path).exists():
            raise UserError(f"{path}: no such file or folder; {key}=... sets the path of the data")
    return moved


def difference(run: RunFolder, cfg: DictConfig, data: "DataModule") -> UserError | None:
    """Return the error for data that differ from those of the training; None for the same data.

    Args:
        run: run folder. Earlier versions recorded no digest; their data are never different.
        cfg: config of the data module.
        data: data module after ``prepare_data``.
    """
    if run.was_trained_on(data.content_digest):
        return None
    key = next((key for key in DATA_PATHS if key.removeprefix("data.") in cfg.data), None)
    if key is None:  # data of a plug-in
        return UserError(f"data: these are not the data that {run.folder} was trained on")
    place = data_paths(cfg).get(key) or OmegaConf.select(cfg, key)
    return UserError(f"{key}={place}: these are not the data that {run.folder} was trained on")


def follow_moved_data(run: RunFolder, cfg: DictConfig) -> None:
    """Write the paths of ``cfg`` to the config of a run whose data are no longer at its paths."""
    if paths := lost_paths(run, cfg):
        run.write_config(with_values(run.config, paths))


def lost_paths(run: RunFolder, cfg: DictConfig) -> dict[str, str]:
    """Return the paths of ``cfg`` that replace paths of a run which no longer exist."""
    paths = data_paths(cfg)
    before = data_paths(run.read_config()) if paths else {}
    return {key: paths[key] for key in before if not Path(before[key]).exists()}
