"""A config as dotted keys with values, and overrides as keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf


def flatten(cfg: DictConfig) -> dict[str, Any]:
    """Dotted keys and their values, plain; a choice goes by its class: ``optimizer: SGD``."""
    plain = OmegaConf.to_container(cfg)
    assert isinstance(plain, dict)
    return flatten_plain(plain)


def flatten_plain(node: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """The same of a config in plain dictionaries; each key stands behind ``prefix``."""
    values: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            values |= flatten_plain(value, f"{prefix}{key}.")
        elif key == "_target_":
            values[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        else:
            values[f"{prefix}{key}"] = value
    return values


def lies_under(key: str, parents: Sequence[str]) -> bool:
    """Whether a dotted key is one of ``parents`` or lies below one of them."""
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def overridden(words: Sequence[str]) -> list[str]:
    """The keys that overrides set: ``optimizer.lr`` of ``+optimizer.lr=0.1``."""
    return [word.lstrip("+~").partition("=")[0] for word in words]


def written(value: Any) -> str:
    """A value as the command line takes it: ``null``, ``true``, ``[512,128]``."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
