"""Convert configs to dotted keys with values, and overrides to keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf


def flatten(cfg: DictConfig) -> dict[str, Any]:
    """Return the dotted keys of a config with their plain values.

    The ``_target_`` of a node becomes its class name: ``optimizer: SGD``.
    """
    plain = OmegaConf.to_container(cfg)
    assert isinstance(plain, dict)
    return flatten_plain(plain)


def flatten_plain(node: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Return the result of ``flatten`` for plain dictionaries, with a prefix for each key."""
    values: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            values |= flatten_plain(value, f"{prefix}{key}.")
        elif key == "_target_":
            values[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        else:
            values[f"{prefix}{key}"] = value
    return values


def is_within(key: str, parents: Sequence[str]) -> bool:
    """Return whether a dotted key is one of ``parents`` or is below one of them."""
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def override_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys that overrides set: ``optimizer.lr`` for ``+optimizer.lr=0.1``."""
    return [override.lstrip("+~").partition("=")[0] for override in overrides]


def format_value(value: Any) -> str:
    """Return a value in the command line's syntax: ``null``, ``true``, ``[512,128]``."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
