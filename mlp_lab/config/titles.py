"""Titles of figures: the experiments and the data of runs."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mlp_lab.config.flatten import format_value

# Keys that say which data of a class are used.
_DATA = (
    "set", "function", "bits", "image", "path", "solid", "phantom", "projections", "volume",
    "scene", "opponent",
)  # fmt: skip
_PATHS = ("image", "path", "volume")
# Keys that are not used if another one, the value, is set.
_REPLACED_BY = {"solid": "path", "scene": "path", "phantom": "image"}
_MOST_NAMES = 3


def title_of(configs: Sequence[Mapping[str, Any]]) -> str:
    """Return the experiments and the data of runs: ``points_mlp, Points (set=spirals)``.

    Data in which the runs differ are omitted.

    Args:
        configs: flat config of each run, with names of classes; see ``config.flatten``.
    """
    names = list(dict.fromkeys(str(config["name"]) for config in configs))
    experiment = ", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} experiments"
    count = f", {len(configs)} runs" if len(configs) > 1 else ""
    used = [key for key in _DATA if not _is_replaced(key, configs)]
    keys = [key for key in used if _shared(f"data.{key}", configs) is not None]
    values = [f"{key}={_value(key, configs[0][f'data.{key}'])}" for key in keys]
    data = _shared("data", configs)
    described = f"{data} ({', '.join(values)})" if values else data
    return f"{experiment}{count}" if data is None else f"{experiment}{count}, {described}"


def _shared(key: str, configs: Sequence[Mapping[str, Any]]) -> Any:
    """Return the value that all configs have; None if they differ."""
    first = configs[0].get(key)
    return first if all(config.get(key) == first for config in configs) else None


def _is_replaced(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a run does not use a key of its data, because another key is set."""
    if (other := _REPLACED_BY.get(key)) is None:
        return False
    return any(config.get(f"data.{other}") is not None for config in configs)


def _value(key: str, value: Any) -> str:
    return PurePath(str(value)).name if key in _PATHS else format_value(value)
